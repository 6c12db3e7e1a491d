/* A second GICv3, slow and plain, that judges the first: every interrupt is a struct of booleans, every question a scan of all.
 * It shares no code with src/dev/gicv3*.c; test_gicv3_random.c and fuzz_gicv3.c run both side by side.
 *
 * The one thing it can't predict is which CPU a 1 of N interrupt goes to, as the architecture leaves that open: it is told, and
 * checks that the choice was allowed.
 * Specification: IHI 0069. */
#ifndef VIBE_TESTS_GICV3_MODEL_H
#define VIBE_TESTS_GICV3_MODEL_H

#include "dev/gicv3_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ICC(crm, op2) ((uint16_t)(0xc600 | (crm) << 3 | (op2))) /* S3_0_C12_Cm_op2 */
#define ICC_PMR ((uint16_t)0xc230)                              /* S3_0_C4_C6_0 */
#define ICC_IAR(grp) ((grp) ? ICC(12, 0) : ICC(8, 0))
#define ICC_EOIR(grp) ((grp) ? ICC(12, 1) : ICC(8, 1))
#define ICC_HPPIR(grp) ((grp) ? ICC(12, 2) : ICC(8, 2))
#define ICC_BPR(grp) ((grp) ? ICC(12, 3) : ICC(8, 3))
#define ICC_AP(grp) ((grp) ? ICC(9, 0) : ICC(8, 4))
#define ICC_IGRPEN(grp) ((grp) ? ICC(12, 7) : ICC(12, 6))
#define ICC_DIR ICC(11, 1)
#define ICC_RPR ICC(11, 3)
#define ICC_SGI1R ICC(11, 5)
#define ICC_ASGI1R ICC(11, 6)
#define ICC_SGI0R ICC(11, 7)
#define ICC_CTLR ICC(12, 4)
#define ICC_SRE ICC(12, 5)

struct m_irq {
    bool group, enable, latch, line, msg, active, edge;
    uint8_t prio;
    uint64_t router;
};

struct m_cpu {
    struct m_irq irq[32];
    bool sleep, dpg[2], en[2], ap[2][32];
    unsigned pmr, bpr[2];
    bool cbpr, eoimode, pmhe;
    uint32_t statusr;
};

struct model {
    unsigned nr_cpus, nr_spis;
    uint64_t mpidr[64];
    bool grp[2];
    uint32_t statusr;
    struct m_irq spi[1024]; /* by INTID; the first 32 unused */
    struct m_cpu cpu[64];
    unsigned (*owner)(void *opaque, unsigned intid); /* where the implementation put a 1 of N interrupt */
    void *opaque;
};

static inline void m_reset(struct model *m)
{
    for (unsigned i = 0; i < 1024; i++) {
        bool line = m->spi[i].line;
        memset(&m->spi[i], 0, sizeof(m->spi[i]));
        m->spi[i].line = line;
    }
    m->grp[0] = m->grp[1] = false;
    m->statusr = 0;
    for (unsigned c = 0; c < 64; c++) {
        bool line[32];
        for (unsigned i = 0; i < 32; i++)
            line[i] = m->cpu[c].irq[i].line;
        memset(&m->cpu[c], 0, sizeof(m->cpu[c]));
        for (unsigned i = 0; i < 32; i++) {
            m->cpu[c].irq[i].line = line[i];
            m->cpu[c].irq[i].edge = i < 16;
        }
        m->cpu[c].sleep = false;
        m->cpu[c].bpr[0] = 2;
        m->cpu[c].bpr[1] = 3;
    }
}

static inline void m_reset_cpu(struct model *m, unsigned c)
{
    struct m_cpu *p = &m->cpu[c];
    p->pmr = 0;
    p->bpr[0] = 2;
    p->bpr[1] = 3;
    p->cbpr = p->eoimode = p->pmhe = p->en[0] = p->en[1] = false;
    memset(p->ap, 0, sizeof(p->ap));
}

/* Null: not implemented. */
static inline struct m_irq *m_irq(struct model *m, unsigned c, unsigned intid)
{
    if (intid < 32)
        return &m->cpu[c].irq[intid];
    return intid < 32 + m->nr_spis ? &m->spi[intid] : NULL;
}

static inline bool m_pending(const struct m_irq *q)
{
    return q->latch || (!q->edge && (q->line || q->msg));
}

static inline bool m_waits(const struct m_irq *q)
{
    return m_pending(q) && q->enable && !q->active;
}

static inline uint64_t m_aff(uint64_t mpidr)
{
    return mpidr & 0xff00ffffff;
}

static inline bool m_routed(struct model *m, unsigned c, unsigned intid, bool somewhere)
{
    const struct m_irq *q = m_irq(m, c, intid);
    if (intid < 32)
        return true;
    if (!(q->router >> 31 & 1))
        return m_aff(q->router) == m_aff(m->mpidr[c]);
    return somewhere || m->owner(m->opaque, intid) == c;
}

static inline bool m_group_on(struct model *m, unsigned c, unsigned group)
{
    return m->grp[group] && m->cpu[c].en[group] && !m->cpu[c].sleep;
}

static inline unsigned m_hppi(struct model *m, unsigned c)
{
    unsigned best = 1023, best_prio = 256;
    for (unsigned i = 0; i < 32 + m->nr_spis; i++) {
        struct m_irq *q = m_irq(m, c, i);
        if (m_waits(q) && m_group_on(m, c, q->group) && m_routed(m, c, i, false) && q->prio < best_prio) {
            best = i;
            best_prio = q->prio;
        }
    }
    return best;
}

static inline unsigned m_group_prio(struct model *m, unsigned c, unsigned group, unsigned prio)
{
    /* Subpriority bits by ICC_BPR0_EL1 and, Non-secure, ICC_BPR1_EL1. */
    static const unsigned sub[2][8] = {{1, 2, 3, 4, 5, 6, 7, 8}, {0, 1, 2, 3, 4, 5, 6, 7}};
    unsigned use = m->cpu[c].cbpr ? 0 : group;
    unsigned n = sub[use][m->cpu[c].bpr[use]];
    return prio >> n << n;
}

static inline unsigned m_running(struct model *m, unsigned c)
{
    for (unsigned p = 0; p < 32; p++) {
        if (m->cpu[c].ap[0][p] || m->cpu[c].ap[1][p])
            return p * 8;
    }
    return 255;
}

/* 0: nothing, 1: IRQ, 2: FIQ. */
static inline unsigned m_lines(struct model *m, unsigned c)
{
    unsigned intid = m_hppi(m, c);
    if (intid == 1023)
        return 0;
    const struct m_irq *q = m_irq(m, c, intid);
    if (q->prio >= m->cpu[c].pmr || m_group_prio(m, c, q->group, q->prio) >= m_running(m, c))
        return 0;
    return q->group ? 1 : 2;
}

static inline bool m_can_wake(struct model *m, unsigned c)
{
    for (unsigned i = 0; i < 32 + m->nr_spis; i++) {
        struct m_irq *q = m_irq(m, c, i);
        if (q->enable && m_group_on(m, c, q->group) && m_routed(m, c, i, true) && m->cpu[c].pmr)
            return true;
    }
    return false;
}

static inline bool m_participates(struct model *m, unsigned c, unsigned group)
{
    return !m->cpu[c].sleep && m->cpu[c].en[group] && !m->cpu[c].dpg[group];
}

/* Whether the implementation's choices for 1 of N interrupts are among those allowed. */
static inline bool m_owners_allowed(struct model *m)
{
    for (unsigned i = 32; i < 32 + m->nr_spis; i++) {
        const struct m_irq *q = &m->spi[i];
        if (!(q->router >> 31 & 1) || !m_waits(q))
            continue;
        unsigned owner = m->owner(m->opaque, i), n = 0;
        for (unsigned c = 0; c < m->nr_cpus; c++)
            n += m_participates(m, c, q->group);
        if (n ? owner >= m->nr_cpus || !m_participates(m, owner, q->group) : owner < m->nr_cpus)
            return false;
    }
    return true;
}

static inline void m_line(struct model *m, unsigned c, unsigned intid, bool level)
{
    struct m_irq *q = m_irq(m, c, intid);
    if (level && !q->line && q->edge)
        q->latch = true;
    q->line = level;
}

/* ---- MMIO ------------------------------------------------------------------------------------------------------------- */

static const char m_id[] = "\x44\x00\x00\x00\x92\xb4\x3b\x00\x0d\xf0\x05\xb1";

/* The registers that hold a bit, two bits or a byte for each INTID, at `base` INTIDs. False: not one of them. */
static inline bool m_irq_regs(struct model *m, unsigned c, bool redist, uint32_t off, unsigned size,
                              bool write, uint64_t *val)
{
    uint64_t out = 0;
    unsigned kind = off / 0x80;
    if (off >= 0x80 && off < 0x400 && size == 4) {
        if (redist && (off & 0x7f))
            return false;
        for (unsigned i = 0; i < 32; i++) {
            unsigned intid = (off & 0x7f) * 8 + i;
            struct m_irq *q = intid < 32 && !redist ? NULL : m_irq(m, c, intid);
            bool b = *val >> i & 1;
            if (!q)
                continue;
            if (write && kind == 1)
                q->group = b;
            else if (write && b)
                *(kind <= 3 ? &q->enable : kind <= 5 ? &q->latch : &q->active) = kind % 2 == 0;
            bool r = kind == 1   ? q->group
                     : kind <= 3 ? q->enable
                     : kind <= 5 ? m_pending(q)
                                 : q->active;
            out |= (uint64_t)r << i;
        }
    } else if (off >= 0x400 && off < (redist ? 0x420 : 0x7fc) && (size == 1 || size == 4)) {
        for (unsigned i = 0; i < size; i++) {
            unsigned intid = off - 0x400 + i;
            struct m_irq *q = intid < 32 && !redist ? NULL : m_irq(m, c, intid);
            if (q && write)
                q->prio = (uint8_t)(*val >> 8 * i) / 8 * 8;
            if (q)
                out |= (uint64_t)q->prio << 8 * i;
        }
    } else if (off >= 0xc00 && off < (redist ? 0xc08 : 0xd00) && size == 4) {
        for (unsigned i = 0; i < 16; i++) {
            unsigned intid = (off - 0xc00) * 4 + i;
            struct m_irq *q = intid < 32 && !redist ? NULL : m_irq(m, c, intid);
            if (q && write && intid >= 16)
                q->edge = *val >> (2 * i + 1) & 1;
            if (q)
                out |= (uint64_t)q->edge << (2 * i + 1);
        }
    } else {
        return false;
    }
    if (!write)
        *val = out;
    return true;
}

/* Tells a register that is not there (0) from one whose width or permission doesn't fit (-1): GICD_STATUSR knows the difference. */
static inline int m_dist_kind(uint32_t off, unsigned size, bool write)
{
    static const struct {
        uint32_t first, end, widths;
        char access;
    } map[] = {{0, 4, 4, 'b'},           {4, 0x10, 4, 'r'},      {0x10, 0x14, 4, 'b'},
               {0x40, 0x44, 6, 'w'},     {0x48, 0x4c, 6, 'w'},   {0x50, 0x54, 6, 'w'},
               {0x58, 0x5c, 6, 'w'},     {0x80, 0x400, 4, 'b'},  {0x400, 0x7fc, 5, 'b'},
               {0x800, 0xbfc, 5, 'b'},   {0xc00, 0xd80, 4, 'b'}, {0xe00, 0xf00, 4, 'b'},
               {0xf00, 0xf04, 4, 'w'},   {0xf10, 0xf30, 5, 'b'}, {0x6100, 0x7fe0, 12, 'b'},
               {0xffd0, 0x10000, 4, 'r'}};
    for (unsigned i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
        if (off < map[i].first || off >= map[i].end)
            continue;
        if (!(map[i].widths & size))
            return -1;
        return map[i].access == (write ? 'r' : 'w') ? -2 : 1;
    }
    return 0;
}

static inline bool m_flag(uint32_t *statusr, int kind, bool write)
{
    if (kind == 0)
        *statusr |= write ? 2 : 1;
    if (kind == -2)
        *statusr |= write ? 8 : 4;
    return kind == 1;
}

static inline bool m_dist(struct model *m, uint32_t off, unsigned size, bool write, uint64_t *val)
{
    if (!m_flag(&m->statusr, m_dist_kind(off, size, write), write))
        return false;
    if (m_irq_regs(m, 0, false, off, size, write, val))
        return true;
    uint64_t out = 0;
    if (off == 0) {
        if (write)
            m->grp[0] = *val & 1, m->grp[1] = *val >> 1 & 1;
        out = 0x50u | m->grp[0] | m->grp[1] << 1;
    } else if (off == 4) {
        out = 0x05490000 | m->nr_spis / 32;
    } else if (off == 8) {
        out = 0x5600043b;
    } else if (off == 0x10) {
        out = m->statusr;
        if (write)
            m->statusr &= ~(uint32_t)*val;
    } else if (off == 0x40 || off == 0x48) {
        unsigned intid = *val & 0x1fff;
        struct m_irq *q = intid < 32 ? NULL : m_irq(m, 0, intid);
        if (q)
            *(q->edge ? &q->latch : &q->msg) = off == 0x40;
    } else if (off >= 0x6100 && off < 0x7fe0) {
        struct m_irq *q = m_irq(m, 0, (off - 0x6000) / 8);
        if (q && write) {
            uint8_t bytes[8];
            memcpy(bytes, &q->router, 8); /* the host is little-endian, as everywhere in this project */
            memcpy(bytes + off % 8, val, size);
            memcpy(&q->router, bytes, 8);
            q->router &= 0xff80ffffff;
        }
        if (q)
            memcpy(&out, (uint8_t *)&q->router + off % 8, size);
    } else if (off >= 0xffd0) {
        out = (uint8_t)m_id[(off - 0xffd0) / 4];
    }
    if (!write)
        *val = out;
    return true;
}

static inline bool m_redist(struct model *m, uint32_t off, unsigned size, bool write, uint64_t *val)
{
    unsigned c = off / 0x20000;
    struct m_cpu *p = &m->cpu[c];
    uint32_t o = off & 0xffff;
    uint64_t out = 0;
    int kind = 0;
    if (off & 0x10000) {
        bool bitmap = o >= 0x80 && o < 0x400 && o % 0x80 < 4;
        bool res0 = (o >= 0xd00 && o < 0xd04) || (o >= 0xe00 && o < 0xe04);
        if (bitmap || res0 || (o >= 0xc00 && o < 0xc08))
            kind = size == 4 ? 1 : -1;
        else if (o >= 0x400 && o < 0x420)
            kind = size == 1 || size == 4 ? 1 : -1;
        if (!m_flag(&p->statusr, kind, write))
            return false;
        if (!res0)
            return m_irq_regs(m, c, true, o, size, write, val);
        if (!write)
            *val = 0;
        return true;
    }
    if (o < 8 || (o >= 0x10 && o < 0x18) || o >= 0xffd0)
        kind = size == 4 ? 1 : -1;
    else if (o >= 8 && o < 0x10)
        kind = size == 4 || size == 8 ? 1 : -1;
    if (kind == 1 && write && ((o >= 4 && o < 0x10) || o >= 0xffd0))
        kind = -2;
    if (!m_flag(&p->statusr, kind, write))
        return false;
    if (o == 0) {
        if (write)
            p->dpg[0] = *val >> 24 & 1, p->dpg[1] = *val >> 25 & 1;
        out = (uint64_t)p->dpg[0] << 24 | (uint64_t)p->dpg[1] << 25;
    } else if (o == 4) {
        out = 0x5600043b;
    } else if (o == 8 || o == 12) {
        uint64_t a = m->mpidr[c];
        uint64_t typer = (a & 0xffffff) << 32 | (a >> 32 & 0xff) << 56 | c * 256u |
                         (c == m->nr_cpus - 1 ? 16 : 0) | 32;
        out = size == 8 ? typer : o == 8 ? typer & 0xffffffff : typer >> 32;
    } else if (o == 0x10) {
        out = p->statusr;
        if (write)
            p->statusr &= ~(uint32_t)*val;
    } else if (o == 0x14) {
        if (write)
            p->sleep = *val >> 1 & 1;
        out = p->sleep ? 6 : 0;
    } else if (o >= 0xffd0) {
        out = (uint8_t)m_id[(o - 0xffd0) / 4] + (o == 0xffe0);
    }
    if (!write)
        *val = out;
    return true;
}

/* ---- system registers ------------------------------------------------------------------------------------------------- */

static inline uint32_t m_ap(const bool ap[32])
{
    uint32_t v = 0;
    for (unsigned i = 0; i < 32; i++)
        v |= (uint32_t)ap[i] << i;
    return v;
}

static inline bool m_icc_read(struct model *m, unsigned c, uint16_t enc, uint64_t *val)
{
    struct m_cpu *p = &m->cpu[c];
    for (unsigned g = 0; g < 2; g++) {
        unsigned h = m_hppi(m, c);
        if (enc == ICC_IAR(g)) {
            *val = 1023;
            if (m_lines(m, c) == (g ? 1u : 2u)) {
                struct m_irq *q = m_irq(m, c, h);
                q->active = true;
                q->latch = false;
                p->ap[g][m_group_prio(m, c, g, q->prio) / 8] = true;
                *val = h;
            }
            return true;
        }
        if (enc == ICC_HPPIR(g)) {
            *val = h != 1023 && m_irq(m, c, h)->group == g ? h : 1023;
            return true;
        }
        if (enc == ICC_BPR(g)) {
            *val = g && p->cbpr ? (p->bpr[0] == 7 ? 7 : p->bpr[0] + 1) : p->bpr[g];
            return true;
        }
        if (enc == ICC_AP(g)) {
            *val = m_ap(p->ap[g]);
            return true;
        }
        if (enc == ICC_IGRPEN(g)) {
            *val = p->en[g];
            return true;
        }
    }
    if (enc == ICC_PMR)
        *val = p->pmr;
    else if (enc == ICC_RPR)
        *val = m_running(m, c);
    else if (enc == ICC_CTLR)
        *val = 0x48400u | p->cbpr | p->eoimode << 1 | p->pmhe << 6;
    else if (enc == ICC_SRE)
        *val = 7;
    else
        return false;
    return true;
}

static inline void m_deactivate(struct model *m, unsigned c, unsigned intid)
{
    struct m_irq *q = m_irq(m, c, intid);
    if (q)
        q->active = false;
}

static inline void m_sgi(struct model *m, unsigned c, uint64_t val, bool group1_too)
{
    for (unsigned t = 0; t < m->nr_cpus; t++) {
        uint64_t a = m->mpidr[t];
        bool hit;
        if (val >> 40 & 1)
            hit = t != c;
        else
            hit = (a >> 8 & 0xff) == (val >> 16 & 0xff) && (a >> 16 & 0xff) == (val >> 32 & 0xff) &&
                  (a >> 32 & 0xff) == (val >> 48 & 0xff) && (a & 0xff) / 16 == (val >> 44 & 15) &&
                  (val >> (a & 15) & 1);
        struct m_irq *q = &m->cpu[t].irq[val >> 24 & 15];
        if (hit && (!q->group || group1_too))
            q->latch = true;
    }
}

static inline bool m_icc_write(struct model *m, unsigned c, uint16_t enc, uint64_t val)
{
    struct m_cpu *p = &m->cpu[c];
    unsigned intid = val & 0xffffff;
    for (unsigned g = 0; g < 2; g++) {
        if (enc == ICC_EOIR(g)) {
            unsigned r = m_running(m, c);
            if (m_irq(m, c, intid) && r != 255 && p->ap[g][r / 8]) {
                p->ap[g][r / 8] = false;
                if (!p->eoimode)
                    m_deactivate(m, c, intid);
            }
            return true;
        }
        if (enc == ICC_BPR(g)) {
            if (!g || !p->cbpr)
                p->bpr[g] = (val & 7) < 2 + g ? 2 + g : val & 7;
            return true;
        }
        if (enc == ICC_AP(g)) {
            for (unsigned i = 0; i < 32; i++)
                p->ap[g][i] = val >> i & 1;
            return true;
        }
        if (enc == ICC_IGRPEN(g)) {
            p->en[g] = val & 1;
            return true;
        }
    }
    if (enc == ICC_PMR)
        p->pmr = val & 0xf8;
    else if (enc == ICC_CTLR)
        p->cbpr = val & 1, p->eoimode = val >> 1 & 1, p->pmhe = val >> 6 & 1;
    else if (enc == ICC_DIR && p->eoimode)
        m_deactivate(m, c, intid);
    else if (enc == ICC_SGI1R)
        m_sgi(m, c, val, true);
    else if (enc == ICC_SGI0R || enc == ICC_ASGI1R)
        m_sgi(m, c, val, false);
    else if (enc != ICC_SRE && enc != ICC_DIR)
        return false;
    return true;
}

/* ---- both side by side ------------------------------------------------------------------------------------------------ */

struct pair {
    struct gicv3 *g;
    struct model m;
    unsigned lines[64]; /* as set_irq told: 1 IRQ, 2 FIQ */
    unsigned calls;     /* of set_irq, by the operation that runs */
    const char *complaint;
};

static inline void pair_set_irq(void *opaque, unsigned cpu, bool irq, bool fiq)
{
    struct pair *p = opaque;
    unsigned now = irq | fiq << 1;
    if (p->lines[cpu] == now)
        p->complaint = "set_irq called without a change";
    p->lines[cpu] = now;
    p->calls++;
}

static inline unsigned pair_owner(void *opaque, unsigned intid)
{
    return ((struct pair *)opaque)->g->slot[intid - 32].cpu;
}

/* Affinities that need every field: two clusters, an affinity 0 above 15, affinity 3. */
static inline bool pair_init(struct pair *p, unsigned nr_cpus, unsigned nr_spis)
{
    static const uint64_t odd[4] = {0x80000000, 0x80000013, 0x80000100, 0x280050311};
    struct gic_config cfg = {3, nr_cpus, p->m.mpidr, nr_spis, pair_set_irq, p};
    memset(p, 0, sizeof(*p));
    p->m.nr_cpus = nr_cpus;
    p->m.nr_spis = nr_spis;
    p->m.owner = pair_owner;
    p->m.opaque = p;
    for (unsigned c = 0; c < nr_cpus; c++)
        p->m.mpidr[c] = c < 4 ? odd[c] : 0x80000000 | (c / 16 + 8) << 8 | c % 16;
    m_reset(&p->m);
    p->g = gic_create(&cfg, 0x08000000, 0x080a0000, NULL);
    return p->g != NULL;
}

static inline void pair_destroy(struct pair *p)
{
    gic_destroy(p->g);
}

/* After every operation. */
static inline void pair_check(struct pair *p)
{
    for (unsigned c = 0; c < p->m.nr_cpus; c++) {
        unsigned want = m_lines(&p->m, c);
        if (p->lines[c] != want || gic_irq_pending(p->g, c) != (want != 0))
            p->complaint = "lines differ";
        if (*gic_can_wake(p->g, c) != m_can_wake(&p->m, c))
            p->complaint = "gic_can_wake differs";
    }
    if (!m_owners_allowed(&p->m))
        p->complaint = "1 of N interrupt at a CPU that does not participate";
    if (p->calls > p->m.nr_cpus)
        p->complaint = "set_irq called more than once a CPU";
    p->calls = 0;
}

static inline void pair_mmio_unchecked(struct pair *p, bool redist, uint32_t off, unsigned size,
                                       bool write, uint64_t val)
{
    struct device *d = redist ? gic_redist(p->g) : gic_dist(p->g);
    uint64_t a = write ? val : 0, b = a;
    bool ok_m = redist ? m_redist(&p->m, off, size, write, &b) : m_dist(&p->m, off, size, write, &b);
    bool ok_g = write ? d->cls->write(d, off, size, val) : d->cls->read(d, off, size, &a);
    if (ok_m != ok_g)
        p->complaint = "a register exists in one only";
    if (!write && ok_m && a != b)
        p->complaint = "MMIO read differs";
}

static inline void pair_mmio(struct pair *p, bool redist, uint32_t off, unsigned size, bool write,
                             uint64_t val)
{
    pair_mmio_unchecked(p, redist, off, size, write, val);
    pair_check(p);
}

static inline uint64_t pair_icc_read_unchecked(struct pair *p, unsigned c, uint16_t enc)
{
    uint64_t a = 0, b = 0;
    bool ok_m = m_icc_read(&p->m, c, enc, &b), ok_g = gic_sysreg_read(p->g, c, enc, &a);
    if (ok_m != ok_g)
        p->complaint = "a system register exists in one only";
    if (a != b)
        p->complaint = "MRS differs";
    return a;
}

static inline uint64_t pair_icc_read(struct pair *p, unsigned c, uint16_t enc)
{
    uint64_t val = pair_icc_read_unchecked(p, c, enc);
    pair_check(p);
    return val;
}

static inline void pair_icc_write(struct pair *p, unsigned c, uint16_t enc, uint64_t val)
{
    bool ok_m = m_icc_write(&p->m, c, enc, val), ok_g = gic_sysreg_write(p->g, c, enc, val);
    if (ok_m != ok_g)
        p->complaint = "a system register is writable in one only";
    pair_check(p);
}

static inline void pair_line(struct pair *p, unsigned c, unsigned intid, bool level)
{
    m_line(&p->m, c, intid, level);
    if (intid < 32)
        gic_set_ppi(p->g, c, intid, level);
    else
        gic_set_spi(p->g, intid, level);
    pair_check(p);
}

/* Every register that can be read without effect; at the end the lines must be as they were. */
static inline void pair_sweep(struct pair *p)
{
    for (uint32_t off = 0; off < 0x10000; off += off >= 0x8000 && off < 0xff00 ? 0x1000 : 4)
        pair_mmio_unchecked(p, false, off, 4, false, 0);
    for (unsigned c = 0; c < p->m.nr_cpus; c++) {
        for (uint32_t off = 0; off < 0x20000;
             off += (off & 0xffff) >= 0x1000 && (off & 0xffff) < 0xff00 ? 0x100 : 4)
            pair_mmio_unchecked(p, true, c << 17 | off, 4, false, 0);
        for (unsigned op = 0; op < 128; op++) {
            if (ICC(op / 8, op % 8) != ICC_IAR(0) && ICC(op / 8, op % 8) != ICC_IAR(1))
                pair_icc_read_unchecked(p, c, ICC(op / 8, op % 8));
        }
        pair_icc_read_unchecked(p, c, ICC_PMR);
    }
    pair_check(p);
}

/* One operation out of 16 bytes of randomness. Weighted towards a few interrupts and priorities, so that they meet. */
static inline void pair_step(struct pair *p, const uint8_t r[16])
{
    static const uint16_t pool[] = {0, 1, 9, 15, 16, 27, 30, 31, 32, 33, 34, 47, 63, 64, 70, 95};
    static const uint8_t prios[] = {0,    8,    0x40, 0x48, 0x50, 0x80,
                                    0x88, 0xa0, 0xa7, 0xf0, 0xf8, 0xff};
    unsigned c = r[1] % p->m.nr_cpus, g = r[2] & 1;
    unsigned intid = pool[r[3] % (sizeof(pool) / sizeof(pool[0]))] % (32 + p->m.nr_spis);
    bool priv = intid < 32, set = r[4] & 1;
    uint32_t frame = priv ? c << 17 | 0x10000 : 0, w = intid / 32 * 4, m = 1u << intid % 32;
    uint64_t wide;
    memcpy(&wide, r + 8, 8);

    switch (r[0] % 32) {
    case 0:
    case 1:
    case 2:
    case 3:
        if (intid >= 16)
            pair_line(p, c, intid, set);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
    case 8: pair_icc_read(p, c, ICC_IAR(g)); break;
    case 9:
    case 10: pair_icc_write(p, c, ICC_EOIR(g), r[5] & 7 ? intid : wide); break;
    case 11: { /* end what runs, as a handler does */
        for (unsigned i = 0; i < 32 + p->m.nr_spis; i++) {
            const struct m_irq *q = m_irq(&p->m, c, i);
            if (q->active && m_group_prio(&p->m, c, q->group, q->prio) == m_running(&p->m, c)) {
                pair_icc_write(p, c, ICC_EOIR(q->group), i);
                break;
            }
        }
        break;
    }
    case 12: pair_icc_write(p, c, ICC_DIR, intid); break;
    case 13: {
        uint64_t a = p->m.mpidr[r[5] % p->m.nr_cpus];
        uint64_t val = (a & 0xff00) << 8 | (a >> 16 & 0xff) << 32 | (a >> 32 & 0xff) << 48 |
                       (a >> 4 & 15) << 44 | (uint64_t)(intid & 15) << 24 | 1u << (a & 15);
        uint16_t reg = r[6] % 4 < 2 ? ICC_SGI1R : r[6] % 4 == 2 ? ICC_SGI0R : ICC_ASGI1R;
        pair_icc_write(p, c, reg,
                       r[7] % 4 == 0   ? val | 1ull << 40
                       : r[7] % 4 == 1 ? val | (wide & 0xffff)
                                       : val);
        break;
    }
    case 14: pair_icc_write(p, c, ICC_PMR, r[5] & 3 ? 0xff : prios[r[6] % sizeof(prios)]); break;
    case 15: pair_icc_write(p, c, ICC_BPR(g), r[5]); break;
    case 16: pair_icc_write(p, c, ICC_CTLR, wide); break;
    case 17: pair_icc_write(p, c, ICC_IGRPEN(g), r[5] % 8 != 0); break;
    case 18:
        pair_mmio(p, priv, frame | (0x400 + intid), 1, true, prios[r[5] % sizeof(prios)]);
        break;
    case 19: pair_mmio(p, priv, frame | (0x400 + (intid & ~3u)), 4, true, wide); break;
    case 20:
    case 21:
        pair_mmio(p, priv, frame | (r[5] % 8 ? 0x100 : 0x180) | w, 4, true,
                  r[6] & 1 ? m : (uint32_t)wide | m);
        break;
    case 22: pair_mmio(p, priv, frame | (set ? 0x200 : 0x280) | w, 4, true, m); break;
    case 23: pair_mmio(p, priv, frame | (set ? 0x300 : 0x380) | w, 4, true, m); break;
    case 24:
        pair_mmio(p, priv, frame | 0x80 | w, 4, true, (uint32_t)wide | (r[5] & 1 ? 0xffffffff : 0));
        break;
    case 25: pair_mmio(p, priv, frame | 0xc00 | (intid / 16 * 4), 4, true, (uint32_t)wide); break;
    case 26: pair_mmio(p, false, 0, 4, true, r[5] % 8 ? 3 : wide); break;
    case 27:
        pair_mmio(p, true, c << 17 | (r[5] & 1 ? 0x14 : 0), 4, true, r[6] % 4 ? 0 : wide);
        break;
    case 28:
        if (!priv && r[5] & 1)
            pair_mmio(p, false, 0x6000 + 8 * intid, 8, true,
                      m_aff(p->m.mpidr[r[6] % p->m.nr_cpus]) | (r[7] & 1 ? 1u << 31 : 0));
        else if (!priv)
            pair_mmio(p, false, 0x6000 + 8 * intid + (r[6] & 4), 4, true, (uint32_t)wide);
        break;
    case 29: pair_mmio(p, false, set ? 0x40 : 0x48, r[5] & 1 ? 4 : 2, true, intid); break;
    case 30: /* anything, anywhere: its width and alignment are the bus's to check */
        pair_mmio(p, set, (uint32_t)wide % (set ? p->m.nr_cpus << 17 : 0x10000) & ~7u,
                  1u << r[2] % 4, r[5] & 1, wide >> 32);
        break;
    case 31:
        if (r[5] == 0) {
            m_reset(&p->m);
            gic_reset(p->g);
        } else if (r[5] == 1) {
            m_reset_cpu(&p->m, c);
            gic_reset_cpu(p->g, c);
        } else if (r[5] == 2) {
            memset(p->lines, 0, sizeof(p->lines)); /* the CPUs are others, and are told anew */
            gic_rebuild(p->g); /* a 1 of N interrupt may be elsewhere afterwards: nothing else may differ */
        } else if (r[5] < 16) {
            pair_icc_write(p, c, ICC_AP(g), wide & wide >> 32);
        } else if (r[5] < 64) {
            pair_icc_write(p, c, (uint16_t)(0xc600 | (wide & 0x7f)), wide >> 16);
        } else if (r[5] < 96) {
            pair_icc_read(p, c, (uint16_t)(0xc600 | (wide & 0x7f)));
        }
        pair_check(p);
        break;
    }
}

#endif
