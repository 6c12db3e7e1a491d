/* The time at which a vCPU in the guest has to be fetched out of it, for its physical timer: one thread for all of a VM. */
#include "base/os.h"
#include "hv/hvf/hvf_internal.h"

static void *alarm_thread(void *opaque)
{
    struct hvf_alarm *a = opaque;

    os_thread_name("alarm");
    os_thread_exact_timers();
    pthread_mutex_lock(&a->lock);
    while (!a->stop) {
        const uint64_t now = os_now_ns();
        uint64_t next = UINT64_MAX;
        for (unsigned i = 0; i < HVF_MAX_VCPUS; i++) {
            if (a->slot[i].due_ns <= now) {
                a->slot[i].due_ns = UINT64_MAX;
                atomic_store(&a->slot[i].vcpu->alarmed, true);
                hvf_poke(a->slot[i].vcpu);
            }
            next = MIN(next, a->slot[i].due_ns);
        }
        os_cond_wait_until(&a->changed, &a->lock, next);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

void hvf_alarm_init(struct hvf_alarm *a)
{
    pthread_mutex_init(&a->lock, NULL);
    os_cond_init(&a->changed);
    for (unsigned i = 0; i < HVF_MAX_VCPUS; i++)
        a->slot[i].due_ns = UINT64_MAX;
}

void hvf_alarm_destroy(struct hvf_alarm *a)
{
    if (a->started) {
        pthread_mutex_lock(&a->lock);
        a->stop = true;
        pthread_cond_signal(&a->changed);
        pthread_mutex_unlock(&a->lock);
        pthread_join(a->thread, NULL);
    }
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->changed);
}

int hvf_alarm_set(struct hvf_alarm *a, struct hv_vcpu *v, uint64_t due_ns)
{
    int r = 0;

    pthread_mutex_lock(&a->lock);
    a->slot[v->cfg.index].vcpu = v;
    a->slot[v->cfg.index].due_ns = due_ns;
    if (a->started) {
        pthread_cond_signal(&a->changed);
    } else if (due_ns != UINT64_MAX) {
        r = pthread_create(&a->thread, NULL, alarm_thread, a);
        a->started = !r;
    }
    pthread_mutex_unlock(&a->lock);
    return -r;
}

void hvf_alarm_forget(struct hvf_alarm *a, struct hv_vcpu *v)
{
    pthread_mutex_lock(&a->lock);
    a->slot[v->cfg.index].due_ns = UINT64_MAX;
    pthread_mutex_unlock(&a->lock);
}
