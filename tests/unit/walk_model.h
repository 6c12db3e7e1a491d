/* A second, slow stage 1 walk, to judge src/arch/walk.c by: written from the tables of DDI 0487 ("The AArch64 Virtual Memory
 * System Architecture") where that follows the pseudocode's formulas, and sharing no code with it. Part of test_walk.c. */
#ifndef VIBE_TESTS_WALK_MODEL_H
#define VIBE_TESTS_WALK_MODEL_H

#include "arch/walk.h"

#include <string.h>

struct model_regs {
    uint64_t sctlr, tcr, ttbr[2], mair;
};

struct model_update {
    bool made;
    uint64_t gpa, to;
};

typedef bool model_load_fn(void *opaque, gpa_t gpa, uint64_t *desc);

enum { G4, G16, G64 };

/* "Translation table lookup": the VA bits that index each level, and the lowest TxSZ that starts there. */
static const struct {
    int level, msb, lsb, min_txsz, max_txsz;
    bool block;
    int contiguous; /* entries in a run, 1: none */
} model_levels[3][4] = {
    [G4] = {{0, 47, 39, 16, 24, false, 1},
            {1, 38, 30, 25, 33, true, 16},
            {2, 29, 21, 34, 42, true, 16},
            {3, 20, 12, 43, 48, true, 16}},
    [G16] = {{0, 47, 47, 16, 16, false, 1},
             {1, 46, 36, 17, 27, false, 1},
             {2, 35, 25, 28, 38, true, 32},
             {3, 24, 14, 39, 48, true, 128}},
    [G64] = {{0, 63, 52, 99, 99, false, 1},
             {1, 51, 42, 12, 21, true, 1},
             {2, 41, 29, 22, 34, true, 32},
             {3, 28, 16, 35, 47, true, 32}},
};

static uint64_t field(uint64_t v, int hi, int lo)
{
    return (v << (63 - hi)) >> (63 - hi + lo);
}

static void model_fault(struct walk_result *res, int code)
{
    res->ok = false;
    res->fsc = (uint8_t)code;
}

static void model_walk(const struct model_regs *r, model_load_fn *load, void *opaque,
                       const struct walk_request *rq, struct walk_result *res, struct model_update *up)
{
    bool fetch = rq->access == WALK_FETCH;
    int half = (int)field(rq->va, 55, 55);
    bool tbi = field(r->tcr, 37 + half, 37 + half) && !(fetch && field(r->tcr, 51 + half, 51 + half));
    uint64_t untagged = rq->va;

    memset(res, 0, sizeof(*res));
    memset(up, 0, sizeof(*up));
    if (tbi) /* the tag byte counts as copies of bit 55 */
        untagged = half ? untagged | 0xff00000000000000u : untagged & 0x00ffffffffffffffu;

    if (!field(r->sctlr, 0, 0)) {
        uint64_t out = tbi ? field(rq->va, 55, 0) : rq->va;
        if (out >= 1ull << 52) {
            model_fault(res, 0x00);
            return;
        }
        res->ok = true;
        res->pa = out;
        res->page_len = 4096;
        res->can_read = res->can_write = res->can_fetch = res->writable_dirty = res->global = true;
        res->device = !fetch;
        res->attr = fetch ? (field(r->sctlr, 12, 12) ? 0xaa : 0x44) : 0;
        res->shareability = 2;
        return;
    }

    static const int tg0[4] = {G4, G64, G16, G4}, tg1[4] = {G4, G16, G4, G64};
    int granule = half ? tg1[field(r->tcr, 31, 30)] : tg0[field(r->tcr, 15, 14)];
    int txsz = half ? (int)field(r->tcr, 21, 16) : (int)field(r->tcr, 5, 0);
    static const int ips_bits[8] = {32, 36, 40, 42, 44, 48, 52, 52};
    int oa = ips_bits[field(r->tcr, 34, 32)];
    if (granule != G64 && oa > 48)
        oa = 48;
    uint64_t oa_limit = 1ull << oa;

    int row = -1;
    for (int i = 0; i < 4; i++)
        if (txsz >= model_levels[granule][i].min_txsz && txsz <= model_levels[granule][i].max_txsz)
            row = i;
    bool canonical = row >= 0;
    if (row >= 0)
        for (int b = 64 - txsz; b < 64; b++)
            canonical = canonical && (int)field(untagged, b, b) == half;
    if (!canonical || field(r->tcr, half ? 23 : 7, half ? 23 : 7) ||
        (rq->el0 && field(r->tcr, 55 + half, 55 + half))) {
        model_fault(res, 0x04);
        return;
    }

    int msb = 63 - txsz; /* of the first index */
    uint64_t table_len = 8ull << (msb - model_levels[granule][row].lsb + 1);
    uint64_t table = r->ttbr[half] & 0x0000fffffffffffeu;
    if (granule == G64 && oa == 52) {
        table = (table & ~0x3full) + (field(r->ttbr[half], 5, 2) << 48);
        if (table_len < 64)
            table_len = 64;
    }
    table -= table % table_len;
    if (table >= oa_limit) {
        model_fault(res, 0x00);
        return;
    }

    unsigned ap_table = 0;
    bool uxn_table = false, pxn_table = false;
    for (;; row++) {
        int level = model_levels[granule][row].level, lsb = model_levels[granule][row].lsb;
        uint64_t gpa = table + 8 * field(rq->va, msb, lsb), desc;
        if (!load(opaque, gpa, &desc)) {
            model_fault(res, 0x14 + level);
            return;
        }
        int type = (int)field(desc, 1, 0);
        bool leaf = level == 3 ? type == 3 : type == 1 && model_levels[granule][row].block;
        bool is_table = level != 3 && type == 3;
        res->step[res->nr_steps++] = (struct walk_step){level, gpa, desc,
                                                        leaf       ? (level == 3 ? "page" : "block")
                                                        : is_table ? "table"
                                                        : type == 1 ? "reserved"
                                                                    : "invalid"};
        if (!leaf && !is_table) {
            model_fault(res, 0x04 + level);
            return;
        }
        int out_lsb = leaf ? lsb : (granule == G4 ? 12 : granule == G16 ? 14 : 16);
        uint64_t out = field(desc, 47, out_lsb) << out_lsb;
        if (granule == G64)
            out += field(desc, 15, 12) << 48;
        if (out >= oa_limit) {
            model_fault(res, 0x00 + level);
            return;
        }
        if (is_table) {
            if (!field(r->tcr, 41 + half, 41 + half)) {
                ap_table |= (unsigned)field(desc, 62, 61);
                uxn_table = uxn_table || field(desc, 60, 60);
                pxn_table = pxn_table || field(desc, 59, 59);
            }
            table = out;
            msb = lsb - 1;
            continue;
        }

        bool ha = field(r->tcr, 39, 39), hd = ha && field(r->tcr, 40, 40);
        bool af = field(desc, 10, 10), dbm = hd && field(desc, 51, 51);
        if (!af && !ha) {
            model_fault(res, 0x08 + level);
            return;
        }
        /* "Data access permissions": AP[2:1] with what DBM and APTable make of it, then by EL. */
        unsigned ap = (unsigned)field(desc, 7, 6);
        if (dbm)
            ap &= 1;
        if (ap_table & 1)
            ap &= 2;
        if (ap_table & 2)
            ap |= 2;
        static const struct {
            bool el1_w, el0_r, el0_w;
        } rights[4] = {
            {true, false, false}, {true, true, true}, {false, false, false}, {false, true, false}};
        bool wxn = field(r->sctlr, 19, 19);
        if (rq->el0) {
            res->can_read = rights[ap].el0_r;
            res->can_write = rights[ap].el0_w;
            res->can_fetch = !field(desc, 54, 54) && !uxn_table && !(wxn && rights[ap].el0_w);
        } else {
            bool never = rq->pan && rights[ap].el0_r;
            res->can_read = !never;
            res->can_write = rights[ap].el1_w && !never;
            res->can_fetch = !field(desc, 53, 53) && !pxn_table && !rights[ap].el0_w &&
                             !(wxn && rights[ap].el1_w);
        }
        bool allowed[] = {
            [WALK_READ] = res->can_read, [WALK_WRITE] = res->can_write, [WALK_FETCH] = res->can_fetch};
        uint64_t now = desc;
        if (!rq->no_update && allowed[rq->access]) {
            now |= 1ull << 10;
            if (rq->access == WALK_WRITE && dbm)
                now &= ~(1ull << 7);
        }
        up->made = now != desc;
        up->gpa = gpa;
        up->to = now;
        res->writable_dirty = res->can_write && !field(now, 7, 7);
        if (!allowed[rq->access]) {
            model_fault(res, 0x0c + level);
            return;
        }
        res->ok = true;
        res->pa = out + field(rq->va, lsb - 1, 0);
        res->page_len = 1ull << lsb;
        int run = model_levels[granule][row].contiguous;
        if (field(desc, 52, 52) && res->page_len * (unsigned)run <= 1ull << (64 - txsz))
            res->page_len *= (unsigned)run;
        res->attr = (uint8_t)(r->mair >> (8 * field(desc, 4, 2)));
        res->device = res->attr < 0x10;
        static const uint8_t sh[4] = {0, 0, 2, 3};
        res->shareability = res->device || res->attr == 0x44 ? 2 : sh[field(desc, 9, 8)];
        res->global = !field(desc, 11, 11);
        res->guarded = field(desc, 50, 50);
        return;
    }
}

#endif
