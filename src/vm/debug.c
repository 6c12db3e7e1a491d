/* Holding vCPUs, and what is done to them meanwhile: vm/debug.h. All of it under vm.lock, which holds and work are protected by. */
#include "vm/debug.h"

#include "arch/exception.h"
#include "arch/sysreg.h"
#include "arch/walk.h"
#include "base/bits.h"
#include "base/err.h"
#include "mem/ram.h"
#include "vm/vm_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

vcpu_set_t vm_all_vcpus(const struct vm *vm)
{
    return mask64(vm->nr_vcpus);
}

vcpu_set_t vm_vcpus_on(struct vm *vm)
{
    vcpu_set_t on = 0;

    pthread_mutex_lock(&vm->lock);
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        if (vm->vcpu[i].power == VCPU_ON)
            on |= BIT64(i);
    pthread_mutex_unlock(&vm->lock);
    return on;
}

vcpu_set_t vm_vcpus_asleep(struct vm *vm)
{
    vcpu_set_t asleep = 0;

    pthread_mutex_lock(&vm->lock);
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        if (vm->vcpu[i].power == VCPU_ON && vm->vcpu[i].parked && vm->vcpu[i].nap != NAP_NONE)
            asleep |= BIT64(i);
    pthread_mutex_unlock(&vm->lock);
    return asleep;
}

uint64_t vm_guest_now_ns(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    const uint64_t now =
        vm->clock_stopped_ns && !vm->clock.moved ? vm->clock_stopped_ns : clock_now_ns(&vm->clock);
    pthread_mutex_unlock(&vm->lock);
    return now;
}

/* --- Holding -------------------------------------------------------------------------------------------------------- */

bool vcpus_held_locked(const struct vm *vm)
{
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        if (!vm->vcpu[i].nr_holds)
            return false;
    return true;
}

static bool stands_still(const struct vcpu *v)
{
    return v->parked || v->finished;
}

/* The guest's clock stands still while nobody could look at it: not before the last of them is out of the guest, which would find that it goes back. */
static void stop_clock_locked(struct vm *vm)
{
    if (vm->clock_stopped_ns || !vcpus_held_locked(vm))
        return;
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        if (!stands_still(&vm->vcpu[i]))
            return;
    vm->clock_stopped_ns = os_now_ns();
}

static void start_clock_locked(struct vm *vm)
{
    if (vm->clock_stopped_ns && !vm->clock.moved)
        vm->base_ns += (os_now_ns() - vm->clock_stopped_ns) / 1000 *
                       1000; /* in whole ticks, as vm_start() has it */
    vm->clock_stopped_ns = 0;
}

void vcpu_hold_locked(struct vcpu *v)
{
    v->nr_holds++;
    vcpu_call_out_locked(v);
    stop_clock_locked(v->vm);
    if (vcpus_held_locked(v->vm))
        atomic_store(&v->vm->turns.some_held, false);
}

void vm_hold(struct vm *vm, vcpu_set_t set)
{
    pthread_mutex_lock(&vm->lock);
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        if (set >> i & 1)
            vcpu_hold_locked(&vm->vcpu[i]);
    pthread_cond_broadcast(&vm->changed);
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        while ((set >> i & 1) && !stands_still(&vm->vcpu[i]))
            pthread_cond_wait(&vm->changed, &vm->lock);
    pthread_mutex_unlock(&vm->lock);
}

void vm_release(struct vm *vm, vcpu_set_t set)
{
    pthread_mutex_lock(&vm->lock);
    for (unsigned i = 0; i < vm->nr_vcpus; i++) {
        struct vcpu *v = &vm->vcpu[i];
        if (!(set >> i & 1))
            continue;
        BUG_ON(!v->nr_holds);
        if (!--v->nr_holds)
            start_clock_locked(vm);
    }
    bool some_held = false;
    for (unsigned i = 0; i < vm->nr_vcpus; i++) {
        struct vcpu *v = &vm->vcpu[i];
        some_held |= v->nr_holds != 0;
        if (!v->nr_holds && !atomic_load(&vm->stop) && !atomic_load(&vm->resetting))
            atomic_store(&v->attention, false);
    }
    turns_released(vm, some_held);
    pthread_cond_broadcast(&vm->changed);
    pthread_mutex_unlock(&vm->lock);
}

void vcpu_park_locked(struct vcpu *v)
{
    struct vm *vm = v->vm;

    v->parked = true;
    v->parked_ns = os_now_ns();
    stop_clock_locked(vm);
    pthread_cond_broadcast(&vm->changed);
    while (v->nr_holds && !atomic_load(&vm->stop) && !atomic_load(&vm->resetting)) {
        if (v->work) {
            pthread_mutex_unlock(&vm->lock);
            v->work(v->hv, v->work_opaque);
            pthread_mutex_lock(&vm->lock);
            v->work = NULL;
            v->nr_works++;
            pthread_cond_broadcast(&vm->changed);
        } else {
            pthread_cond_wait(&vm->changed, &vm->lock);
        }
    }
    v->parked = false;
    if (v->first_ns)
        v->asleep_ns += os_now_ns() - v->parked_ns;
}

bool vm_on_vcpu(struct vm *vm, unsigned index, void (*fn)(struct hv_vcpu *hv, void *opaque), void *opaque)
{
    struct vcpu *v = &vm->vcpu[index];
    bool done = false;

    pthread_mutex_lock(&vm->lock);
    BUG_ON(!v->nr_holds);
    /* It may be busy for somebody else, or out for a moment because of a reset. */
    while ((!v->parked || v->work) && !v->finished && !atomic_load(&vm->stop))
        pthread_cond_wait(&vm->changed, &vm->lock);
    if (v->parked && v->hv && !atomic_load(&vm->stop)) {
        const uint64_t nr = v->nr_works;
        v->work_opaque = opaque;
        v->work = fn;
        pthread_cond_broadcast(&vm->changed);
        while (v->nr_works == nr && !v->finished)
            pthread_cond_wait(&vm->changed, &vm->lock);
        done = v->nr_works != nr;
        if (!done)
            v->work = NULL;
    }
    pthread_mutex_unlock(&vm->lock);
    return done;
}

void vm_reset(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    vm->reset_by_host = true;
    const uint64_t nr = vm->nr_resets;
    vm_reset_locked(vm);
    while (vm->nr_resets == nr && !atomic_load(&vm->stop))
        pthread_cond_wait(&vm->changed, &vm->lock);
    pthread_mutex_unlock(&vm->lock);
}

void vm_set_listener(struct vm *vm, void (*on_reset)(void *opaque, bool guest), void *opaque)
{
    vm->on_reset = on_reset;
    vm->on_reset_opaque = opaque;
}

/* --- Registers and points ------------------------------------------------------------------------------------------- */

struct job {
    struct vm *vm;
    struct vcpu *v;
    struct err *e;
    const struct debug_points *points;
    struct vm_reg *reg;
    unsigned nr_regs;
    bool write, step;
    int result;
};

/* A register that the board has, not the backend. */
static int board_reg(struct vcpu *v, uint16_t encoding, bool write, uint64_t *val)
{
    const struct sysreg_desc *d = sysreg_find(encoding);
    struct gicv3 *gic = v->vm->board.gic;
    /* Its timers learn that the clock stood still when it goes on. */
    const uint64_t now = vm_guest_now_ns(v->vm) - (v->vm->base_ns - v->base_ns);
    bool known;

    if (!d || (d->home != HOME_BOARD && d->home != HOME_COUNTER) ||
        (write ? d->write_el : d->read_el) > 3 || (!write && (d->effects & EFFECT_READ)))
        return -EINVAL;
    if (d->home == HOME_COUNTER)
        known = !write && !v->vm->caps.timer && gtimer_count(&v->timer, encoding, now, val);
    else if (write)
        known = vcpu_sysreg_write(v, encoding, now, *val);
    else
        known = gtimer_sysreg_read(&v->timer, encoding, now, val) ||
                (gic && gic_sysreg_read(gic, v->index, encoding, val));
    return known ? 0 : -EINVAL;
}

static int get_or_set(struct job *j, struct hv_vcpu *hv, struct vm_reg *r)
{
    const struct hv_backend *ops = j->vm->hv;

    if (j->write && r->reg == HV_REG_PC)
        j->v->nap = NAP_NONE;
    const int result = j->write ? ops->set_reg(hv, r->reg, r->val) : ops->get_reg(hv, r->reg, &r->val);
    return result && (r->reg & HV_REG_SYS) ? board_reg(j->v, (uint16_t)r->reg, j->write, &r->val)
                                           : result;
}

static void do_regs(struct hv_vcpu *hv, void *opaque)
{
    struct job *j = opaque;

    for (unsigned i = 0; i < j->nr_regs; i++)
        j->reg[i].result = get_or_set(j, hv, &j->reg[i]);
}

static void on_regs(struct vm *vm, unsigned index, bool write, struct vm_reg *reg, unsigned nr)
{
    struct job j = {.vm = vm, .v = &vm->vcpu[index], .write = write, .reg = reg, .nr_regs = nr};

    if (!vm_on_vcpu(vm, index, do_regs, &j))
        for (unsigned i = 0; i < nr; i++)
            reg[i].result = -ESRCH;
}

void vm_get_regs(struct vm *vm, unsigned index, struct vm_reg *reg, unsigned nr)
{
    on_regs(vm, index, false, reg, nr);
}

void vm_set_regs(struct vm *vm, unsigned index, struct vm_reg *reg, unsigned nr)
{
    on_regs(vm, index, true, reg, nr);
}

int vm_get_reg(struct vm *vm, unsigned index, unsigned reg, uint64_t *val)
{
    struct vm_reg r = {.reg = reg};

    on_regs(vm, index, false, &r, 1);
    if (!r.result)
        *val = r.val;
    return r.result;
}

int vm_set_reg(struct vm *vm, unsigned index, unsigned reg, uint64_t val)
{
    struct vm_reg r = {.reg = reg, .val = val};

    on_regs(vm, index, true, &r, 1);
    return r.result;
}

static void do_debug(struct hv_vcpu *hv, void *opaque)
{
    struct job *j = opaque;
    j->result = j->vm->hv->set_debug(hv, j->points, j->e);
}

static void do_step(struct hv_vcpu *hv, void *opaque)
{
    struct job *j = opaque;

    j->result = j->vm->hv->set_step(hv, j->step);
    if (!j->result)
        j->v->stepping = j->step;
}

void vm_set_debugger(struct vm *vm, const struct vm_debugger *d, bool hold)
{
    vm->debugger = d;
    pthread_mutex_lock(&vm->lock);
    for (unsigned i = 0; hold && i < vm->nr_vcpus; i++)
        vcpu_hold_locked(&vm->vcpu[i]);
    pthread_mutex_unlock(&vm->lock);
}

/* With lists of its own. */
static int copy_points(struct debug_points *to, const struct debug_points *from)
{
    struct debug_point *point = malloc((from->nr + 1) * sizeof(*point));
    uint16_t *sysreg = malloc((from->nr_sysregs + 1) * sizeof(*sysreg));

    if (!point || !sysreg) {
        free(point);
        free(sysreg);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < from->nr; i++)
        point[i] = from->point[i];
    for (unsigned i = 0; i < from->nr_sysregs; i++)
        sysreg[i] = from->sysreg[i];
    *to = *from;
    to->point = point;
    to->sysreg = sysreg;
    return 0;
}

static void free_points(struct debug_points *p)
{
    free((void *)(uintptr_t)p->point);
    free((void *)(uintptr_t)p->sysreg);
}

static int tell_points(struct vm *vm, unsigned index, const struct debug_points *p, struct err *e)
{
    struct job j = {.vm = vm, .points = p, .e = e};

    if (!vm_on_vcpu(vm, index, do_debug, &j))
        return err_set(e, ESRCH, "vCPU %u has ended", index);
    return j.result;
}

int vm_set_debug(struct vm *vm, const struct debug_points *p, struct err *e)
{
    struct debug_points now;
    unsigned nr_told = 0;
    int r = 0;

    if (!vm->hv->set_debug)
        return err_set(e, ENOTSUP, "the %s backend has no breakpoints", vm->hv->name);
    if (copy_points(&now, p))
        return err_set(e, ENOMEM, "out of memory for breakpoints");
    while (nr_told < vm->nr_vcpus && !(r = tell_points(vm, nr_told, &now, e)))
        nr_told++;
    if (r) {
        while (nr_told-- > 0)
            tell_points(vm, nr_told, &vm->points, NULL);
        free_points(&now);
        return r;
    }
    free_points(&vm->points);
    vm->points = now;
    return 0;
}

void debug_points_destroy(struct vm *vm)
{
    free_points(&vm->points);
}

int vm_set_step(struct vm *vm, unsigned index, bool on)
{
    struct job j = {.vm = vm, .v = &vm->vcpu[index], .step = on};

    if (!vm->hv->set_step)
        return -ENOTSUP;
    return vm_on_vcpu(vm, index, do_step, &j) ? j.result : -ESRCH;
}

/* --- Translation ---------------------------------------------------------------------------------------------------- */

static bool walk_load(void *opaque, gpa_t gpa, uint64_t *desc)
{
    const struct vm *vm = opaque;
    const uint64_t *p = ram_ptr(&vm->ram, gpa, sizeof(*desc), false);

    if (!p)
        return false;
    *desc = __atomic_load_n(p, __ATOMIC_ACQUIRE);
    return true;
}

static int walk_cas(void *opaque, gpa_t gpa, uint64_t expected, uint64_t desired)
{
    const struct vm *vm = opaque;
    uint64_t *p = ram_ptr(&vm->ram, gpa, sizeof(*p), true);

    if (!p)
        return -1;
    return __atomic_compare_exchange_n(p, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* Everything that a walk looks at. */
static const enum sysreg_id walk_registers[] = {SR_SCTLR_EL1, SR_TCR_EL1, SR_TTBR0_EL1,
                                                SR_TTBR1_EL1, SR_MAIR_EL1};

void vcpu_fetch_regime(const struct vm *vm, struct hv_vcpu *hv, struct pe_state *s)
{
    pe_reset(s);
    for (unsigned i = 0; i < ARRAY_LEN(walk_registers); i++) {
        const struct sysreg_desc *d = sysreg_of_id(walk_registers[i]);
        uint64_t val = 0;
        if (!vm->hv->get_reg(hv, HV_REG_SYS | d->encoding, &val))
            sysreg_write(s, d, val);
    }
}

struct walk_mem vm_walk_mem(const struct vm *vm)
{
    return (struct walk_mem){.opaque = (void *)(uintptr_t)vm, .load = walk_load, .cas = walk_cas};
}

bool vm_walk(const struct vm *vm, const struct pe_state *s, const struct walk_request *rq,
             struct walk_result *w)
{
    const struct walk_mem m = vm_walk_mem(vm);

    walk_el10(s, &m, rq, w);
    return w->ok;
}

struct translation {
    struct vm *vm;
    struct pe_state *s;
};

static void do_regime(struct hv_vcpu *hv, void *opaque)
{
    const struct translation *t = opaque;
    vcpu_fetch_regime(t->vm, hv, t->s);
}

int vm_get_regime(struct vm *vm, unsigned index, struct pe_state *s)
{
    struct translation t = {.vm = vm, .s = s};
    return vm_on_vcpu(vm, index, do_regime, &t) ? 0 : -ESRCH;
}

static bool translate(const struct vm *vm, const struct pe_state *s, gva_t va, gpa_t *pa)
{
    static const struct {
        enum walk_access access;
        bool el0;
    } as[] = {{WALK_READ, false}, {WALK_READ, true}, {WALK_FETCH, false}, {WALK_FETCH, true}};
    struct walk_result w;

    for (unsigned i = 0; i < ARRAY_LEN(as); i++)
        if (vm_walk(vm, s,
                    &(struct walk_request){
                        .va = va, .access = as[i].access, .el0 = as[i].el0, .no_update = true},
                    &w)) {
            *pa = w.pa;
            return true;
        }
    return false;
}

int vm_translate(struct vm *vm, unsigned index, gva_t va, gpa_t *pa)
{
    struct pe_state s;
    const int r = vm_get_regime(vm, index, &s);

    if (r)
        return r;
    return translate(vm, &s, va, pa) ? 0 : -EFAULT;
}

/* --- Memory --------------------------------------------------------------------------------------------------------- */

/* Piece by piece: no page is smaller. */
#define PIECE UINT64_C(4096)

static size_t access_memory(struct vm *vm, unsigned index, enum vm_space space, uint64_t addr,
                            void *to, const void *from, size_t len)
{
    struct pe_state s;
    size_t done = 0;

    if (space == VM_SPACE_VIRTUAL && vm_get_regime(vm, index, &s))
        return 0;
    while (done < len) {
        const uint64_t at = addr + done;
        const size_t n = MIN(len - done, (size_t)(PIECE - at % PIECE));
        gpa_t pa = at;
        if (space == VM_SPACE_VIRTUAL && !translate(vm, &s, at, &pa))
            break;
        uint8_t *p = ram_ptr(&vm->ram, pa, n, false);
        if (!p)
            break;
        if (to) {
            memcpy((uint8_t *)to + done, p, n);
        } else {
            memcpy(p, (const uint8_t *)from + done, n);
            vm->hv->code_changed(vm->hv_vm, pa, n);
        }
        done += n;
    }
    return done;
}

size_t vm_read_memory(struct vm *vm, unsigned index, enum vm_space space, uint64_t addr, void *buf,
                      size_t len)
{
    return access_memory(vm, index, space, addr, buf, NULL, len);
}

size_t vm_write_memory(struct vm *vm, unsigned index, enum vm_space space, uint64_t addr,
                       const void *buf, size_t len)
{
    return access_memory(vm, index, space, addr, NULL, buf, len);
}
