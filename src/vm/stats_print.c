/* The statistics as boxes and as JSON. Pure but for writing; any thread. */
#include "vm/stats.h"

#include "base/bits.h"
#include "base/escape.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define NS_PER_S 1e9

static const struct {
    const char *key, *label;
} exit_kind[HV_NR_EXITS] = {
#define EXIT(id, k, l, text) [HV_EXIT_##id] = {k, l},
#include "spec/exits.def"
#undef EXIT
};

static const struct {
    const char *key, *label;
} counter_kind[HV_NR_COUNTERS] = {
#define COUNTER(id, k, l, text) [HV_COUNTER_##id] = {k, l},
#include "spec/counters.def"
#undef COUNTER
};

static uint64_t total_exits(const struct vm_vcpu_stats *v)
{
    uint64_t n = 0;
    for (int i = 0; i < HV_NR_EXITS; i++)
        n += v->exits[i];
    return n;
}

/* n per second of ns; 0 where no time passed. */
static double rate(uint64_t n, uint64_t ns)
{
    return ns ? (double)n * NS_PER_S / (double)ns : 0;
}

/* ---- boxes ------------------------------------------------------------------------------------------------------------------ */

#define BOX_MIN_COLUMNS 66
#define BOX_ROW_LEN 160
#define BOX_MAX_ROWS (3 * BUS_MAX_DEVICES + HV_NR_EXITS + HV_NR_COUNTERS + 16)
#define LABEL_COLUMNS 31

/* Rows are collected first: the widest decides where the right border is. Text is ASCII, a byte a column. */
struct box {
    unsigned nr_rows;
    unsigned nr_columns;
    char row[BOX_MAX_ROWS][BOX_ROW_LEN];
};

static void box_begin(struct box *b)
{
    b->nr_rows = 0;
    b->nr_columns = BOX_MIN_COLUMNS;
}

__attribute__((format(printf, 2, 3))) static void box_row(struct box *b, const char *fmt, ...)
{
    if (b->nr_rows == BOX_MAX_ROWS)
        return;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(b->row[b->nr_rows], BOX_ROW_LEN, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    b->nr_rows++;
    /* A blank before the right border. */
    b->nr_columns = MAX(b->nr_columns, MIN((unsigned)n, BOX_ROW_LEN - 1u) + 1);
}

__attribute__((format(printf, 3, 4))) static void box_value(struct box *b, const char *label,
                                                            const char *fmt, ...)
{
    char text[96], with_colon[64];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    snprintf(with_colon, sizeof(with_colon), "%s:", label);
    box_row(b, "    %-*s%s%s", LABEL_COLUMNS - 1, with_colon, " ", text);
}

static void border(FILE *out, const char *left, const char *right, unsigned nr_columns)
{
    fputs(left, out);
    for (unsigned i = 0; i < nr_columns; i++)
        fputs("═", out);
    fprintf(out, "%s\n", right);
}

/* The first row is the title, with a border below. */
static void box_end(const struct box *b, FILE *out)
{
    border(out, "╔", "╗", b->nr_columns);
    for (unsigned i = 0; i < b->nr_rows; i++) {
        fprintf(out, "║%-*s║\n", (int)b->nr_columns, b->row[i]);
        if (i == 0)
            border(out, "╠", "╣", b->nr_columns);
    }
    border(out, "╚", "╝", b->nr_columns);
}

static void box_time(struct box *b, const char *label, uint64_t ns, uint64_t whole_ns)
{
    if (whole_ns)
        box_value(b, label, "%.6f s (%.1f%%)", (double)ns / NS_PER_S,
                  100.0 * (double)ns / (double)whole_ns);
    else
        box_value(b, label, "%.6f s", (double)ns / NS_PER_S);
}

static void print_vcpu_box(FILE *out, struct box *b, unsigned index, const struct vm_vcpu_stats *v,
                           uint32_t uncounted)
{
    box_begin(b);
    box_row(b, "  vCPU %u Statistics", index);
    box_row(b, "  Exit Statistics:");
    box_value(b, "Total VM Exits", "%" PRIu64, total_exits(v));
    for (int i = 0; i < HV_NR_EXITS; i++)
        if (bit(uncounted, i))
            box_value(b, exit_kind[i].label, "not counted");
        else if (v->exits[i])
            box_value(b, exit_kind[i].label, "%" PRIu64, v->exits[i]);
    box_value(b, "Exits per Second", "%.0f", rate(total_exits(v), v->wall_ns));
    if (v->counters.insns) {
        box_row(b, "  Guest Work:");
        box_value(b, "Instructions", "%" PRIu64, v->counters.insns);
        if (v->insns_before)
            box_value(b, "Before the Snapshot", "%" PRIu64, v->insns_before);
        box_value(b, "MIPS in Guest", "%.1f", rate(v->counters.insns, v->guest_ns) / 1e6);
    }
    if (v->counters.exceptions)
        box_value(b, "Exceptions Taken", "%" PRIu64, v->counters.exceptions);
    if (v->counters.interrupts)
        box_value(b, "Interrupts Taken", "%" PRIu64, v->counters.interrupts);
    bool any = false;
    for (int i = 0; i < HV_NR_COUNTERS; i++) {
        if (!v->counters.own[i])
            continue;
        if (!any)
            box_row(b, "  Software CPU:");
        any = true;
        box_value(b, counter_kind[i].label, "%" PRIu64, v->counters.own[i]);
    }
    box_row(b, "  Time:");
    box_time(b, "Total", v->wall_ns, 0);
    box_time(b, "In Guest", v->guest_ns, v->wall_ns);
    box_time(b, "In Exits", v->exit_ns, v->wall_ns);
    box_time(b, "Asleep", v->asleep_ns, v->wall_ns);
    box_end(b, out);
}

static void print_device_box(FILE *out, struct box *b, const struct vm_stats *s)
{
    bool any = s->unassigned || s->has_memory_hash;
    for (unsigned i = 0; i < s->nr_devices; i++)
        any = any || s->device[i].reads || s->device[i].writes || s->device[i].bad;
    if (!any)
        return;

    box_begin(b);
    box_row(b, "  Device Accesses");
    box_row(b, "    %-23s %12s %12s %10s", "", "Reads", "Writes", "Bad");
    for (unsigned i = 0; i < s->nr_devices; i++) {
        const struct vm_device_stats *d = &s->device[i];
        if (d->reads || d->writes || d->bad)
            box_row(b, "    %-23s %12" PRIu64 " %12" PRIu64 " %10" PRIu64, d->name, d->reads,
                    d->writes, d->bad);
        if (d->no_exit)
            box_row(b, "    %-36s %12" PRIu64, "  of them without an exit", d->no_exit);
        if (d->broken)
            box_row(b, "    %-23s %36" PRIu64, "  had to ask for a reset", d->broken);
    }
    if (s->has_memory_hash)
        box_row(b, "    %-23s %36" PRIx64, "memory hash", s->memory_hash);
    if (s->unassigned)
        box_row(b, "    %-23s %36" PRIu64, "where nothing is", s->unassigned);
    box_end(b, out);
}

static const struct {
    const char *key, *label; /* null: only in the JSON */
} balloon_stat[NR_BALLOON_STATS] = {
    [BALLOON_SWAP_IN] = {"swap_in_bytes", NULL},
    [BALLOON_SWAP_OUT] = {"swap_out_bytes", NULL},
    [BALLOON_MAJOR_FAULTS] = {"major_faults", NULL},
    [BALLOON_MINOR_FAULTS] = {"minor_faults", NULL},
    [BALLOON_FREE] = {"free_bytes", "Free in Guest"},
    [BALLOON_TOTAL] = {"total_bytes", "Total in Guest"},
    [BALLOON_AVAILABLE] = {"available_bytes", "Available in Guest"},
    [BALLOON_CACHES] = {"cache_bytes", "Caches in Guest"},
    [BALLOON_HTLB_ALLOCATIONS] = {"huge_page_allocations", NULL},
    [BALLOON_HTLB_FAILURES] = {"huge_page_failures", NULL},
};

static void box_mib(struct box *b, const char *label, uint64_t bytes)
{
    box_value(b, label, "%.1f MiB", (double)bytes / (1 << 20));
}

static void print_balloon_box(FILE *out, struct box *b, const struct balloon_info *i)
{
    box_begin(b);
    box_row(b, "  Memory Balloon");
    box_mib(b, "Asked For", i->target);
    box_mib(b, "Size", i->actual);
    box_mib(b, "Size at Most", i->largest);
    box_mib(b, "Given Back to Host", i->given_back);
    for (unsigned n = 0; n < NR_BALLOON_STATS; n++)
        if (balloon_stat[n].label && i->stat[n] != UINT64_MAX)
            box_mib(b, balloon_stat[n].label, i->stat[n]);
    box_end(b, out);
}

static void print_disk_box(FILE *out, struct box *b, unsigned index, const struct blk_info *i)
{
    const struct {
        const char *label;
        uint64_t nr;
    } row[] = {{"Reads", i->reads},
               {"Writes", i->writes},
               {"Flushes", i->flushes},
               {"Discards", i->discards},
               {"Errors", i->errors}};

    if (!i->reads && !i->writes && !i->flushes && !i->discards && !i->errors)
        return;
    box_begin(b);
    box_row(b, "  Disk %u", index);
    for (unsigned n = 0; n < ARRAY_LEN(row); n++)
        if (row[n].nr)
            box_value(b, row[n].label, "%" PRIu64, row[n].nr);
    box_mib(b, "Read", i->read_bytes);
    box_mib(b, "Written", i->written_bytes);
    box_end(b, out);
}

void stats_print_box(FILE *out, const struct vm_stats *s)
{
    struct box b;
    for (unsigned i = 0; i < s->nr_vcpus; i++)
        print_vcpu_box(out, &b, i, &s->vcpu[i], s->uncounted);
    print_device_box(out, &b, s);
    for (unsigned i = 0; i < s->nr_disks; i++)
        print_disk_box(out, &b, i, &s->disk[i]);
    if (s->has_balloon)
        print_balloon_box(out, &b, &s->balloon);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------------- */

/* Three decimals whatever the locale's decimal point is; far above what is counted, still a number. */
static void json_rate(FILE *out, double x)
{
    if (x > 9e15)
        x = 9e15;
    uint64_t milli = (uint64_t)(x * 1000 + 0.5);
    fprintf(out, "%" PRIu64 ".%03u", milli / 1000, (unsigned)(milli % 1000));
}

static void json_vcpu(FILE *out, unsigned index, const struct vm_vcpu_stats *v, uint32_t uncounted)
{
    fprintf(out, "    {\"index\": %u,\n     \"exits\": {\"total\": %" PRIu64, index, total_exits(v));
    for (int i = 0; i < HV_NR_EXITS; i++)
        if (bit(uncounted, i))
            fprintf(out, ", \"%s\": null", exit_kind[i].key);
        else
            fprintf(out, ", \"%s\": %" PRIu64, exit_kind[i].key, v->exits[i]);
    fprintf(out,
            "},\n     \"instructions\": %" PRIu64 ", \"instructions_before\": %" PRIu64
            ", \"exceptions\": %" PRIu64 ", \"interrupts\": %" PRIu64
            ",\n     \"wall_ns\": %" PRIu64 ", \"guest_ns\": %" PRIu64 ", \"exit_ns\": %" PRIu64
            ", \"asleep_ns\": %" PRIu64 ",\n     \"exits_per_second\": ",
            v->counters.insns, v->insns_before, v->counters.exceptions, v->counters.interrupts,
            v->wall_ns, v->guest_ns, v->exit_ns, v->asleep_ns);
    json_rate(out, rate(total_exits(v), v->wall_ns));
    fputs(", \"mips\": ", out);
    json_rate(out, rate(v->counters.insns, v->guest_ns) / 1e6);
    fputs(",\n     \"cpu\": {", out);
    for (int i = 0; i < HV_NR_COUNTERS; i++)
        fprintf(out, "%s\"%s\": %" PRIu64, i ? ", " : "", counter_kind[i].key, v->counters.own[i]);
    fputc('}', out);
    fputc('}', out);
}

static void json_balloon(FILE *out, const struct balloon_info *i)
{
    fprintf(out,
            "{\"target_bytes\": %" PRIu64 ", \"actual_bytes\": %" PRIu64
            ", \"largest_bytes\": %" PRIu64 ",\n    \"given_back_bytes\": %" PRIu64 ", \"guest\": {",
            i->target, i->actual, i->largest, i->given_back);
    for (unsigned n = 0, nr = 0; n < NR_BALLOON_STATS; n++)
        if (i->stat[n] != UINT64_MAX)
            fprintf(out, "%s\"%s\": %" PRIu64, nr++ ? ", " : "", balloon_stat[n].key, i->stat[n]);
    fputs("}}", out);
}

static void json_disk(FILE *out, const struct blk_info *i)
{
    fputs("{\"file\": ", out);
    json_put_string(out, i->path);
    fprintf(out,
            ", \"reads\": %" PRIu64 ", \"writes\": %" PRIu64 ", \"flushes\": %" PRIu64
            ", \"discards\": %" PRIu64 ",\n     \"read_bytes\": %" PRIu64
            ", \"written_bytes\": %" PRIu64 ", \"errors\": %" PRIu64 "}",
            i->reads, i->writes, i->flushes, i->discards, i->read_bytes, i->written_bytes, i->errors);
}

void stats_print_json(FILE *out, const struct vm_stats *s)
{
    fprintf(out, "{\n  \"schema\": %d,\n  \"accel\": ", VM_STATS_SCHEMA);
    json_put_string(out, s->accel);
    fputs(",\n  \"machine\": ", out);
    json_put_string(out, s->machine);
    fprintf(out, ",\n  \"memory_bytes\": %" PRIu64 ",\n  \"result\": ", s->mem_len);
    json_put_string(out, s->result);
    fprintf(out, ",\n  \"exit_status\": %d,\n  \"wall_ns\": %" PRIu64 ",\n  \"first_byte_ns\": ",
            s->exit_status, s->wall_ns);
    if (s->first_byte_ns)
        fprintf(out, "%" PRIu64, s->first_byte_ns);
    else
        fputs("null", out);
    fputs(",\n  \"vcpus\": [", out);
    for (unsigned i = 0; i < s->nr_vcpus; i++) {
        fputs(i ? ",\n" : "\n", out);
        json_vcpu(out, i, &s->vcpu[i], s->uncounted);
    }
    fputs("\n  ],\n  \"devices\": [", out);
    for (unsigned i = 0; i < s->nr_devices; i++) {
        const struct vm_device_stats *d = &s->device[i];
        fputs(i ? ",\n    {\"name\": " : "\n    {\"name\": ", out);
        json_put_string(out, d->name);
        fprintf(out,
                ", \"reads\": %" PRIu64 ", \"writes\": %" PRIu64 ", \"no_exit\": %" PRIu64
                ", \"bad\": %" PRIu64 ", \"broken\": %" PRIu64 "}",
                d->reads, d->writes, d->no_exit, d->bad, d->broken);
    }
    fputs("\n  ],\n  \"disks\": [", out);
    for (unsigned i = 0; i < s->nr_disks; i++) {
        fputs(i ? ",\n    " : "\n    ", out);
        json_disk(out, &s->disk[i]);
    }
    fputs(s->nr_disks ? "\n  ],\n  \"memory_hash\": " : "],\n  \"memory_hash\": ", out);
    if (s->has_memory_hash)
        fprintf(out, "\"%016" PRIx64 "\"", s->memory_hash);
    else
        fputs("null", out);
    fputs(",\n  \"balloon\": ", out);
    if (s->has_balloon)
        json_balloon(out, &s->balloon);
    else
        fputs("null", out);
    fprintf(out, ",\n  \"unassigned_accesses\": %" PRIu64 "\n}\n", s->unassigned);
}
