/* Taking turns. Threads: as turns.h says; whoever has the turn alone changes the clock. */
#include "base/os.h"
#include "vm/vm_internal.h"

void turns_init(struct vm *vm)
{
    vm->clock.moved = vm->opt->deterministic;
    atomic_init(&vm->clock.now_ns, 0);
    vm->turns.current = -1;
    pthread_mutex_init(&vm->turns.lock, NULL);
    pthread_cond_init(&vm->turns.changed, NULL);
}

void turns_destroy(struct vm *vm)
{
    pthread_mutex_destroy(&vm->turns.lock);
    pthread_cond_destroy(&vm->turns.changed);
}

static int first_ready_locked(const struct vm *vm, unsigned from)
{
    for (unsigned i = from; i < vm->nr_vcpus; i++)
        if (vm->vcpu[i].turn == TURN_READY &&
            !(atomic_load(&vm->turns.some_held) && atomic_load(&vm->vcpu[i].attention)))
            return (int)i;
    return -1;
}

static void move_clock_locked(struct vm *vm, uint64_t to)
{
    atomic_store_explicit(&vm->clock.now_ns, to, memory_order_relaxed);
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        if (vm->vcpu[i].turn == TURN_ASLEEP && vm->vcpu[i].wake_ns <= to)
            vm->vcpu[i].turn = TURN_READY;
}

/* To the next one; at the end of the round time passes. */
static void pass_on_locked(struct vm *vm, unsigned after)
{
    struct turns *t = &vm->turns;

    t->current = first_ready_locked(vm, after + 1);
    if (t->current < 0) {
        move_clock_locked(vm, clock_now_ns(&vm->clock) + TURN_NS);
        t->current = first_ready_locked(vm, 0);
    }
    if (t->current < 0) {
        uint64_t first = UINT64_MAX;
        for (unsigned i = 0; i < vm->nr_vcpus; i++)
            if (vm->vcpu[i].turn == TURN_ASLEEP)
                first = MIN(first, vm->vcpu[i].wake_ns);
        if (first != UINT64_MAX)
            move_clock_locked(vm, first);
        t->current = first_ready_locked(vm, 0);
    }
    pthread_cond_broadcast(&t->changed);
}

static void wait_locked(struct vcpu *v)
{
    struct vm *vm = v->vm;

    v->turn_awaited = true;
    while (vm->turns.current != (int)v->index)
        if (atomic_load(&v->attention))
            return;
        else
            pthread_cond_wait(&vm->turns.changed, &vm->turns.lock);
    v->turn_awaited = false;
    if (v->hv)
        vm->hv->begin_turn(v->hv);
}

void turns_start(struct vm *vm)
{
    pthread_mutex_lock(&vm->turns.lock);
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        vm->vcpu[i].turn = i ? TURN_OFF : TURN_READY;
    for (unsigned i = 0; i < vm->nr_vcpus; i++)
        vm->vcpu[i].turn_awaited = false;
    vm->turns.current = 0;
    pthread_mutex_unlock(&vm->turns.lock);
}

void turns_ready(struct vm *vm, unsigned index)
{
    pthread_mutex_lock(&vm->turns.lock);
    vm->vcpu[index].turn = TURN_READY;
    pthread_mutex_unlock(&vm->turns.lock);
}

void turns_enter(struct vcpu *v)
{
    pthread_mutex_lock(&v->vm->turns.lock);
    wait_locked(v);
    pthread_mutex_unlock(&v->vm->turns.lock);
}

void turns_next(struct vcpu *v)
{
    pthread_mutex_lock(&v->vm->turns.lock);
    if (!v->turn_awaited)
        pass_on_locked(v->vm, v->index);
    wait_locked(v);
    pthread_mutex_unlock(&v->vm->turns.lock);
}

void turns_sleep(struct vcpu *v, uint64_t deadline_ns)
{
    pthread_mutex_lock(&v->vm->turns.lock);
    if (!v->turn_awaited) {
        v->wake_ns = deadline_ns;
        /* An event that came before is not lost: whoever sends one sets the flag first. */
        v->turn = atomic_load(&v->event) ? TURN_READY : TURN_ASLEEP;
        pass_on_locked(v->vm, v->index);
    }
    wait_locked(v);
    if (!v->turn_awaited)
        v->turn = TURN_READY;
    pthread_mutex_unlock(&v->vm->turns.lock);
}

void turns_leave(struct vcpu *v)
{
    pthread_mutex_lock(&v->vm->turns.lock);
    v->turn = TURN_OFF;
    if (v->vm->turns.current == (int)v->index)
        pass_on_locked(v->vm, v->index);
    pthread_mutex_unlock(&v->vm->turns.lock);
}

void turns_wake(struct vcpu *v)
{
    struct turns *t = &v->vm->turns;

    pthread_mutex_lock(&t->lock);
    if (v->turn == TURN_ASLEEP) {
        v->turn = TURN_READY;
        if (t->current < 0) {
            t->current = (int)v->index;
            pthread_cond_broadcast(&t->changed);
        }
    }
    pthread_mutex_unlock(&t->lock);
}

void turns_released(struct vm *vm, bool some_held)
{
    struct turns *t = &vm->turns;

    pthread_mutex_lock(&t->lock);
    atomic_store(&t->some_held, some_held);
    if (some_held && t->current >= 0 && atomic_load(&vm->vcpu[t->current].attention)) {
        const int other = first_ready_locked(vm, 0);
        t->current = other < 0 ? t->current : other;
    }
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

void turns_look(struct vm *vm)
{
    pthread_mutex_lock(&vm->turns.lock);
    pthread_cond_broadcast(&vm->turns.changed);
    pthread_mutex_unlock(&vm->turns.lock);
}
