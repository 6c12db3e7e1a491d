/* The devices. Before any thread starts. */
#include "cli/options_internal.h"

#include "base/err.h"

int set_virtio(struct options *o, const char *text, struct err *e)
{
    static const struct option_choice choices[] = {
        {"modern", VM_VIRTIO_MODERN}, {"legacy", VM_VIRTIO_LEGACY}, {NULL, 0}};
    int v = 0, r = option_parse_choice(choices, text, &v, e);
    o->vm.virtio = (enum vm_virtio)v;
    return r;
}

int set_console(struct options *o, const char *text, struct err *e)
{
    (void)text;
    (void)e;
    o->vm.console = VM_CONSOLE_VIRTIO;
    return 0;
}

int set_rng(struct options *o, const char *text, struct err *e)
{
    (void)text;
    (void)e;
    o->vm.no_rng = false;
    return 0;
}

int set_no_rng(struct options *o, const char *text, struct err *e)
{
    (void)text;
    (void)e;
    o->vm.no_rng = true;
    return 0;
}

int set_balloon(struct options *o, const char *text, struct err *e)
{
    o->vm.balloon = true;
    o->vm.balloon_len = 0;
    return text ? options_parse_size(text, &o->vm.balloon_len, e) : 0;
}
