/* Invalidation across the cluster: TLB and instruction cache maintenance that others have to hear of, as messages.
 *
 * Any thread sends; a CPU does what it was sent on its own thread, between two instructions. ARCHITECTURE.md and docs/adr/3-threads-and-messages.md. */
#include "cpu/cpu_internal.h"

#include <sched.h>

static bool is_about_code(const struct cpu_inval *inv)
{
    return inv->what >= INVAL_ICACHE_ALL;
}

/* Whether inv goes on where an earlier message ends, or says the same again; that one then says both. Two senders may alternate. */
static bool inval_merge(struct cpu *to, const struct cpu_inval *inv)
{
    for (unsigned i = to->nr_inval; i > 0 && i + 4 > to->nr_inval; i--) {
        struct cpu_inval *old = &to->inval[i - 1];
        if (old->what == inv->what && old->asid == inv->asid && old->addr + old->len == inv->addr) {
            old->len += inv->len;
            return true;
        }
    }
    return false;
}

/* The order of messages does not matter. Where there is no room they become "the whole TLB", and what concerns code, which costs more to find
 * again, stays as it is as long as it can. */
static void inval_queue(struct cpu *to, const struct cpu_inval *inv)
{
    unsigned nr = 0;

    if (inval_merge(to, inv) || (to->inval_tlb && !is_about_code(inv)))
        return;
    if (to->nr_inval == INVAL_QUEUE) {
        for (unsigned i = 0; i < INVAL_QUEUE; i++)
            if (is_about_code(&to->inval[i]))
                to->inval[nr++] = to->inval[i];
        to->inval_tlb = true;
        if (!is_about_code(inv)) {
            to->nr_inval = nr;
            return;
        }
        if (nr == INVAL_QUEUE) {
            to->inval[0] = (struct cpu_inval){.what = INVAL_ICACHE_ALL};
            to->nr_inval = 1;
            return;
        }
        to->nr_inval = nr;
    }
    to->inval[to->nr_inval++] = *inv;
}

static void inval_send(struct cpu *to, const struct cpu_inval *inv)
{
    pthread_mutex_lock(&to->inval_lock);
    inval_queue(to, inv);
    atomic_fetch_add(&to->inval_sent, 1);
    atomic_fetch_or(&to->events, EVENT_INVAL);
    pthread_mutex_unlock(&to->inval_lock);
}

static void inval_apply(struct cpu *c, const struct cpu_inval *inv)
{
    switch (inv->what) {
    case INVAL_TLB_ALL:
        tlb_flush_all(c);
        cpu_context_changed(c);
        break;
    case INVAL_TLB_ASID: tlb_flush_asid(c, (unsigned)inv->asid); break;
    case INVAL_TLB_VA: tlb_flush_va(c, inv->addr, inv->len); break;
    case INVAL_ICACHE_ALL: icache_flush_all(c); break;
    case INVAL_ICACHE_PA: icache_flush_pa(c, inv->addr, inv->len); break;
    }
}

void cpu_inval_drain(struct cpu *c)
{
    pthread_mutex_lock(&c->inval_lock);
    for (unsigned i = 0; i < c->nr_inval; i++)
        inval_apply(c, &c->inval[i]);
    if (c->inval_tlb)
        inval_apply(c, &(struct cpu_inval){.what = INVAL_TLB_ALL});
    c->nr_inval = 0;
    c->inval_tlb = false;
    atomic_fetch_and(&c->events, ~(uint32_t)EVENT_INVAL);
    atomic_store(&c->inval_done, atomic_load(&c->inval_sent));
    pthread_mutex_unlock(&c->inval_lock);
}

void cpu_broadcast(struct cpu *c, const struct cpu_inval *inv)
{
    struct cpu_cluster *cl = c->cluster;

    inval_apply(c, inv);
    for (unsigned i = 0; i < cl->nr_cpus; i++)
        if (cl->cpu[i] != c)
            inval_send(cl->cpu[i], inv);
    c->inval_pending = cl->nr_cpus > 1;
}

void cpu_broadcast_wait(struct cpu *c)
{
    struct cpu_cluster *cl = c->cluster;

    if (!c->inval_pending)
        return;
    c->inval_pending = false;
    for (unsigned i = 0; i < cl->nr_cpus; i++) {
        struct cpu *o = cl->cpu[i];
        const uint64_t target = atomic_load(&o->inval_sent);
        while (o != c && atomic_load(&o->inval_done) < target && atomic_load(&o->in_guest)) {
            /* It may be waiting for us. */
            if (atomic_load(&c->events) & EVENT_INVAL)
                cpu_inval_drain(c);
            sched_yield();
        }
    }
}

void cluster_code_changed(struct cpu_cluster *cl, gpa_t pa, uint64_t len)
{
    for (unsigned i = 0; i < cl->nr_cpus; i++)
        inval_send(cl->cpu[i], &(struct cpu_inval){.what = INVAL_ICACHE_PA, .addr = pa, .len = len});
}

void cluster_memory_changed(struct cpu_cluster *cl, gpa_t pa, uint64_t len)
{
    for (unsigned i = 0; i < cl->nr_cpus; i++)
        inval_send(cl->cpu[i], &(struct cpu_inval){.what = INVAL_TLB_ALL});
    cluster_code_changed(cl, pa, len);
}
