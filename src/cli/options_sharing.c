/* What the guest shares with the host: folders. Before any thread starts. */
#include "cli/options_internal.h"

#include "base/err.h"
#include "dev/virtio_9p.h"

#include <errno.h>
#include <string.h>

static int check_tag(const struct vm_options *v, const char *tag, struct err *e)
{
    if (!*tag || strlen(tag) > VIRTIO_9P_MAX_TAG)
        return err_set(e, EINVAL, "the tag \"%.80s\" must have 1 to %u characters", tag,
                       VIRTIO_9P_MAX_TAG);
    for (unsigned i = 0; i < v->nr_shares; i++)
        if (!strcmp(v->share[i].tag, tag))
            return err_set(e, EEXIST,
                           "%.80s is shared with the tag \"%s\" already; give another, as ,tag=more",
                           v->share[i].path, tag);
    return 0;
}

int set_share(struct options *o, const char *text, struct err *e)
{
    struct vm_share *s = &o->vm.share[o->vm.nr_shares];
    const char *part, *value;

    if (o->vm.nr_shares == VM_MAX_SHARES)
        return err_set(e, E2BIG, "given more than %d times", VM_MAX_SHARES);
    char *rest = option_keep(o, text, strlen(text), e);
    if (!rest)
        return -ENOMEM;
    *s = (struct vm_share){.path = option_next_part(&rest), .tag = "share"};
    if (!*s->path)
        return err_set(e, EINVAL, "the name of the folder is empty");
    while ((part = option_next_part(&rest))) {
        if ((value = option_value(part, "tag")))
            s->tag = value;
        else if (!strcmp(part, "ro"))
            s->read_only = true;
        else
            return err_set(e, EINVAL,
                           "\"%.80s\" is neither tag=T nor ro (a comma in the folder's name is written twice)",
                           part);
    }
    const int r = check_tag(&o->vm, s->tag, e);
    if (!r)
        o->vm.nr_shares++;
    return r;
}
