/* The run's side of a contract: following the console, sending, deciding. Threads: cli/contract.h; contract.lock is under the console's output lock, and
 * held by nobody who takes another. */
#include "cli/contract_internal.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/os.h"
#include "dev/chardev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MS UINT64_C(1000000)
#define QUIET_NS (4 * MS)    /* a line that does not end is looked at when it is so old */
#define REFUSED_NS (10 * MS) /* how often a guest that takes no input is asked again */

/* --- What is asked for ----------------------------------------------------------------------------------------------- */

static int open_report(const char *option, const char *path, FILE **f, struct err *e)
{
    if (!path)
        return 0;
    *f = fopen(path, "wb");
    return *f ? 0 : err_set(e, errno, "%s %s: %s", option, path, strerror(errno));
}

static int add_patterns(struct contract *c, const char *option, enum script_kind kind,
                        const char *const *text, unsigned nr, struct err *e)
{
    for (unsigned i = 0; i < nr; i++) {
        const int r = pattern_create(&c->pattern[c->nr_items], text[i], e);
        if (r)
            return err_prefix(e, "%s", option);
        c->item[c->nr_items] = (struct item){
            .option = option, .source = text[i], .kind = kind, .pattern = c->pattern[c->nr_items]};
        c->nr_items++;
    }
    return 0;
}

static void add_script(struct contract *c)
{
    for (unsigned i = 0; i < c->script.nr_steps; i++) {
        const struct script_step *s = &c->script.step[i];
        c->item[c->nr_items++] =
            (struct item){.source = s->source, .kind = s->kind, .step = s, .pattern = s->pattern};
    }
}

int contract_create(struct contract **out, const struct contract_options *opt, struct err *e)
{
    struct contract *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return err_set(e, ENOMEM, "out of memory");
    c->opt = opt;
    c->wake[0] = c->wake[1] = -1;
    pthread_mutex_init(&c->lock, NULL);
    r = opt->script ? script_load(&c->script, opt->script, e) : 0;
    c->item = calloc(opt->nr_expects + opt->nr_fails + c->script.nr_steps + 1, sizeof(*c->item));
    if (!r && !c->item)
        r = err_set(e, ENOMEM, "out of memory");
    if (!r)
        r = add_patterns(c, "--expect", SCRIPT_EXPECT, opt->expect, opt->nr_expects, e);
    if (!r)
        r = add_patterns(c, "--fail", SCRIPT_FAIL, opt->fail, opt->nr_fails, e);
    if (!r) {
        add_script(c);
        r = open_report("--junit", opt->junit, &c->junit, e);
    }
    if (!r)
        r = open_report("--result", opt->result, &c->result, e);
    if (r) {
        contract_destroy(c);
        return r;
    }
    *out = c;
    return 0;
}

void contract_destroy(struct contract *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < ARRAY_LEN(c->pattern); i++)
        pattern_destroy(c->pattern[i]);
    script_free(&c->script);
    free(c->item);
    for (unsigned i = 0; i < 2; i++)
        if (c->wake[i] >= 0)
            close(c->wake[i]);
    if (c->junit)
        fclose(c->junit);
    if (c->result)
        fclose(c->result);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

bool contract_has_script(const struct contract *c)
{
    return c->opt->script != NULL;
}

/* --- Deciding -------------------------------------------------------------------------------------------------------- */

static void wake_main(const struct contract *c)
{
    const ssize_t n = write(c->wake[1], "", 1); /* full: it has enough to wake up for */
    (void)n;
}

/* "--expect REGEX", or "FILE:LINE: STATEMENT". */
static int print_item(const struct contract *c, const struct item *it, char *buf, size_t len)
{
    return it->option
               ? snprintf(buf, len, "%s %.400s", it->option, it->source)
               : snprintf(buf, len, "%.200s:%u: %.400s", c->script.name, it->step->line, it->source);
}

/* The contract is broken, by this item unless it is null. */
__attribute__((format(printf, 3, 4))) static void break_locked(struct contract *c, struct item *it,
                                                               const char *fmt, ...)
{
    va_list ap;
    int n = 0;

    if (it) {
        it->state = ITEM_BROKEN;
        n = print_item(c, it, c->reason, REASON_LEN);
    }
    va_start(ap, fmt);
    vsnprintf(c->reason + n, REASON_LEN - (size_t)n, fmt, ap);
    va_end(ap);
    c->verdict = VERDICT_BROKEN;
}

/* What to add to the message that it did not come: a prompt is no whole line. */
static const char *hint_locked(struct contract *c, const struct item *it)
{
    return it->pattern && c->text.len && it->from <= c->text.len &&
                   pattern_find(it->pattern, c->text.line, c->text.len, it->from, true) != PATTERN_NONE
               ? "; it is there but for the $, which is the end of a line that has ended"
               : "";
}

static void keep_locked(struct item *it, uint64_t now)
{
    it->state = ITEM_KEPT;
    it->end_ns = now;
}

/* Whether anything was asked for that has not come yet: the first such item, or null. */
static struct item *first_awaited(const struct contract *c)
{
    if (c->current < c->nr_items)
        return &c->item[c->current];
    for (unsigned i = 0; i < c->opt->nr_expects; i++)
        if (c->item[i].state != ITEM_KEPT)
            return &c->item[i];
    return NULL;
}

static void judge_locked(struct contract *c)
{
    if (c->verdict == VERDICT_OPEN && (c->opt->nr_expects || c->script.nr_steps) && !first_awaited(c))
        c->verdict = VERDICT_KEPT;
}

/* The script goes on with its item n, at the offset `from` of the line that grows. What it sends, act() sends. */
static void go_on_locked(struct contract *c, unsigned n, size_t from, uint64_t now)
{
    c->deadline_ns = UINT64_MAX;
    for (; n < c->nr_items; n++) {
        struct item *it = &c->item[n];
        it->state = ITEM_CURRENT;
        it->start_ns = now;
        it->from = from;
        if (it->kind == SCRIPT_EXPECT || it->kind == SCRIPT_END) {
            c->deadline_ns = now + it->step->timeout_ns;
            break;
        }
    }
    c->current = n;
    wake_main(c);
}

static bool is_looked_for(const struct item *it)
{
    return it->state == ITEM_CURRENT && (it->kind == SCRIPT_EXPECT || it->kind == SCRIPT_FAIL);
}

/* What comes first in the line; of what comes at the same place, what must not come. Null: nothing. */
static struct item *find_first_locked(struct contract *c, bool complete, size_t *end)
{
    struct item *first = NULL;

    *end = PATTERN_NONE;
    for (unsigned i = 0; i < c->nr_items; i++) {
        struct item *it = &c->item[i];
        if (!is_looked_for(it) || it->from > c->text.len)
            continue;
        const size_t at = pattern_find(it->pattern, c->text.line, c->text.len, it->from, complete);
        if (at < *end || (at == *end && first && it->kind == SCRIPT_FAIL)) {
            *end = at;
            first = it;
        }
    }
    return first;
}

/* complete: the line has ended. */
static void look_locked(struct contract *c, bool complete)
{
    while (c->verdict == VERDICT_OPEN) {
        size_t end;
        struct item *it = find_first_locked(c, complete, &end);
        if (!it)
            return;
        const uint64_t now = os_now_ns();
        if (it->kind == SCRIPT_FAIL) {
            it->end_ns = now;
            break_locked(c, it, " has come: %.*s", (int)MIN(c->text.len, 200u), c->text.line);
            return;
        }
        keep_locked(it, now);
        /* An end of line is found once. */
        if (!it->option)
            go_on_locked(c, c->current + 1, end + (complete && end == c->text.len), now);
        judge_locked(c);
    }
}

static void next_line_locked(struct contract *c)
{
    transcript_next_line(&c->text);
    for (unsigned i = 0; i < c->nr_items; i++)
        c->item[i].from = 0;
}

static bool must_act_locked(const struct contract *c)
{
    return (c->verdict != VERDICT_OPEN && !c->stopped) || c->sending < c->current;
}

/* --- While the guest runs -------------------------------------------------------------------------------------------- */

static bool on_output(void *opaque, const uint8_t *buf, size_t len)
{
    struct contract *c = opaque;

    pthread_mutex_lock(&c->lock);
    for (size_t at = 0; at < len;) {
        bool complete;
        at += transcript_add(&c->text, buf + at, c->at_once ? 1 : len - at, &complete);
        if (complete || c->at_once)
            look_locked(c, complete);
        if (complete)
            next_line_locked(c);
    }
    if (c->text.len && !c->asked && !c->at_once && c->verdict == VERDICT_OPEN && c->nr_items) {
        c->asked = true;
        c->quiet_ns = os_now_ns() + QUIET_NS;
        wake_main(c);
    }
    const bool due = must_act_locked(c);
    pthread_mutex_unlock(&c->lock);
    return due;
}

/* What is to be sent next, or null; it stays where it is. */
static const char *next_piece_locked(struct contract *c, size_t *len)
{
    for (; c->sending < c->current; c->sending++, c->sent = 0) {
        struct item *it = &c->item[c->sending];
        if (it->kind != SCRIPT_SEND)
            continue;
        if (c->sent < it->step->text_len) {
            *len = it->step->text_len - c->sent;
            return it->step->text + c->sent;
        }
        keep_locked(it, os_now_ns());
    }
    return NULL;
}

/* Whether the script has sent the last of what it sends, and nobody was told. */
static bool ends_input_locked(struct contract *c)
{
    if (c->input_ended || !c->script.nr_steps)
        return false;
    for (unsigned i = c->sending; i < c->nr_items; i++)
        if (c->item[i].kind == SCRIPT_SEND)
            return false;
    return c->input_ended = true;
}

/* Stops the VM, sends: one thread at a time, whoever comes meanwhile has it done by that one. */
static void act(void *opaque)
{
    struct contract *c = opaque;
    struct chardev *console = vm_console(c->vm);
    size_t len = 0;

    pthread_mutex_lock(&c->lock);
    if (c->acting) {
        pthread_mutex_unlock(&c->lock);
        return;
    }
    c->acting = true;
    for (bool more = true; more;) {
        const bool stop = c->verdict != VERDICT_OPEN && !c->stopped;
        const enum vm_stop_reason why =
            c->verdict == VERDICT_KEPT ? VM_STOP_EXPECTED : VM_STOP_UNEXPECTED;
        const char *piece = next_piece_locked(c, &len);
        const bool end = ends_input_locked(c);
        c->stopped |= stop;
        pthread_mutex_unlock(&c->lock);
        if (stop)
            vm_request_stop(c->vm, why);
        if (piece) {
            const size_t room = chardev_input(console, NULL, 0);
            len = MIN(len, room);
            chardev_input(console, (const uint8_t *)piece, len);
        }
        if (end)
            chardev_end_input(console);
        pthread_mutex_lock(&c->lock);
        if (piece)
            c->sent += len;
        c->refused = piece && !len; /* the main thread tries again */
        more = !c->refused && (piece || must_act_locked(c));
    }
    c->acting = false;
    wake_main(c);
    pthread_mutex_unlock(&c->lock);
}

int contract_start(struct contract *c, struct vm *vm, bool at_once, struct err *e)
{
    const uint64_t now = os_now_ns();
    const int r = os_pipe(c->wake, e);

    if (r)
        return r;
    c->vm = vm;
    c->at_once = at_once;
    c->start_ns = now;
    const unsigned nr_options = c->opt->nr_expects + c->opt->nr_fails;
    for (unsigned i = 0; i < nr_options; i++) {
        c->item[i].state = ITEM_CURRENT;
        c->item[i].start_ns = now;
    }
    c->sending = nr_options;
    go_on_locked(c, nr_options, 0, now);
    vm_set_watch(vm, &(struct vm_watch){.output = on_output, .act = act, .opaque = c});
    /* A script that begins with what it sends. */
    act(c);
    return 0;
}

int contract_fd(const struct contract *c)
{
    return c->wake[0];
}

static void run_out_locked(struct contract *c, uint64_t now)
{
    struct item *it = &c->item[c->current];
    const double seconds = (double)it->step->timeout_ns / 1e9;

    it->end_ns = now;
    break_locked(c, it,
                 it->kind == SCRIPT_END ? ": the guest did not end within %g s%s"
                                        : " did not come within %g s%s",
                 seconds, hint_locked(c, it));
}

bool contract_turn(struct contract *c, uint64_t now_ns, uint64_t *wake_ns)
{
    char drain[64];
    bool due;

    while (read(c->wake[0], drain, sizeof(drain)) > 0)
        ;
    pthread_mutex_lock(&c->lock);
    const bool late = now_ns >= c->deadline_ns;
    if (late || (c->asked && now_ns >= c->quiet_ns)) {
        look_locked(c, false);
        c->asked = false;
    }
    const bool out = late && c->verdict == VERDICT_OPEN && now_ns >= c->deadline_ns;
    if (out)
        run_out_locked(c, now_ns);
    /* Where each run has to be the same, what the guest has brought about is done by its vCPU, at a time that is no matter of this thread. */
    due = must_act_locked(c) && (!c->at_once || out || c->refused);
    pthread_mutex_unlock(&c->lock);
    if (due)
        act(c);

    pthread_mutex_lock(&c->lock);
    *wake_ns = c->asked ? c->quiet_ns : UINT64_MAX;
    if (c->verdict == VERDICT_OPEN)
        *wake_ns = MIN(*wake_ns, c->deadline_ns);
    if (c->refused)
        *wake_ns = MIN(*wake_ns, now_ns + REFUSED_NS);
    const bool stopped = c->stopped;
    pthread_mutex_unlock(&c->lock);
    return stopped;
}

/* --- At the end ------------------------------------------------------------------------------------------------------ */

static bool guest_succeeded(const struct vm_outcome *o)
{
    return o->reason == VM_STOP_POWEROFF || (o->reason == VM_STOP_GUEST_EXIT && o->guest_code == 0);
}

/* No more output comes because the guest has ended, not because it was stopped. */
static bool guest_ended(const struct vm_outcome *o)
{
    return o->reason == VM_STOP_POWEROFF || o->reason == VM_STOP_GUEST_EXIT || o->reason == VM_STOP_REBOOT;
}

static const char *how_it_ended(const struct vm_outcome *o, char *buf, size_t len)
{
    static const char *const text[] = {
        [VM_STOP_POWEROFF] = "the guest powered off",
        [VM_STOP_REBOOT] = "the guest asked for a reset",
        [VM_STOP_RESET] = "the machine could not be reset",
        [VM_STOP_QUIT] = "the user quit",
        [VM_STOP_SIGNAL] = "a signal ended the run",
        [VM_STOP_TIMEOUT] = "--timeout ran out",
        [VM_STOP_LIMIT] = "--max-insns were run",
        [VM_STOP_STUCK] = "the guest is stuck in a fault",
        [VM_STOP_ERROR] = "the backend failed",
        [VM_STOP_REFUSED] = "the snapshot was refused",
    };
    if (o->reason != VM_STOP_GUEST_EXIT)
        return o->reason < ARRAY_LEN(text) && text[o->reason] ? text[o->reason] : "the run ended";
    snprintf(buf, len, "the guest ended with status %d", o->guest_code);
    return buf;
}

int contract_finish(struct contract *c, const struct vm_outcome *o, int status)
{
    char text[64];

    pthread_mutex_lock(&c->lock);
    c->end_ns = os_now_ns();
    c->outcome = *o;
    if (c->text.len)
        look_locked(c, guest_ended(o));
    if (c->verdict == VERDICT_OPEN && guest_succeeded(o) && c->current < c->nr_items &&
        c->item[c->current].kind == SCRIPT_END) {
        keep_locked(&c->item[c->current], c->end_ns);
        c->current = c->nr_items;
        judge_locked(c);
    }
    for (unsigned i = 0; i < c->nr_items; i++)
        if (c->item[i].kind == SCRIPT_FAIL && c->item[i].state == ITEM_CURRENT)
            keep_locked(&c->item[i], c->end_ns);
    if (c->verdict == VERDICT_OPEN) {
        struct item *it = first_awaited(c);
        const char *how = how_it_ended(o, text, sizeof(text));
        if (it)
            it->end_ns = c->end_ns;
        if (it && it->kind == SCRIPT_END)
            break_locked(c, it, ": %s", how);
        else if (it)
            break_locked(c, it, " did not come: %s%s", how, hint_locked(c, it));
        else if (!guest_succeeded(o))
            break_locked(c, NULL, "%s", how);
        c->status = c->verdict == VERDICT_BROKEN && !status ? STATUS_UNEXPECTED : status;
    } else {
        c->status = c->verdict == VERDICT_KEPT ? STATUS_OK : STATUS_UNEXPECTED;
    }
    pthread_mutex_unlock(&c->lock);
    return c->status;
}
