/* What is told of a run with a contract: on stderr, as JUnit's XML, as JSON. Main thread, after contract_finish(). The formats: docs/ci.md. */
#include "cli/contract_internal.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/escape.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define RESULT_SCHEMA 1
#define TAIL_LINES 100   /* in the reports */
#define EXPLAIN_LINES 20 /* on stderr */

/* Not the guest's doing. */
static bool is_error(const struct contract *c)
{
    switch (c->outcome.reason) {
    case VM_STOP_QUIT:
    case VM_STOP_SIGNAL:
    case VM_STOP_ERROR:
    case VM_STOP_REFUSED:
    case VM_STOP_RESET: return c->status != 0;
    default: return false;
    }
}

static const char *outcome_name(const struct contract *c)
{
    return !c->status ? "passed" : is_error(c) ? "error" : "failed";
}

/* Why the run did not pass; what is no matter of the contract's has its reason in the status. */
static const char *message(const struct contract *c)
{
    return c->status ? c->reason : NULL;
}

void contract_explain(const struct contract *c, FILE *out)
{
    if (!c->status || (!c->nr_items && c->status != STATUS_UNEXPECTED))
        return;
    fputs("vibevmm: ", out);
    for (const char *p = c->reason; *p; p++)
        fputc((unsigned char)*p < 0x20 ? '?' : *p, out);
    char *tail = transcript_tail(&c->text, EXPLAIN_LINES);
    fputs(tail && *tail ? "\nThe console's last lines:\n" : "\nThe console is empty.\n", out);
    for (char *rest = tail, *line; tail && (line = strsep(&rest, "\n"));)
        if (rest || *line)
            fprintf(out, "  | %s\n", line);
    free(tail);
}

static const char *kind_name(enum script_kind k)
{
    static const char *const name[] = {
        [SCRIPT_EXPECT] = "expect", [SCRIPT_SEND] = "send", [SCRIPT_FAIL] = "fail", [SCRIPT_END] = "end"};
    return name[k];
}

static uint64_t duration_ns(const struct item *it)
{
    return it->end_ns > it->start_ns ? it->end_ns - it->start_ns : 0;
}

/* --- JSON ------------------------------------------------------------------------------------------------------------ */

static void json_item(FILE *out, const struct contract *c, const struct item *it)
{
    const char *state = it->state == ITEM_KEPT     ? "passed"
                        : it->state == ITEM_BROKEN ? "failed"
                                                   : "not reached";

    fprintf(out, "    {\"kind\": \"%s\", \"source\": ", kind_name(it->kind));
    json_put_string(out, it->source);
    fputs(", \"file\": ", out);
    json_put_string(out, it->step ? c->script.name : NULL);
    if (it->step)
        fprintf(out, ", \"line\": %u", it->step->line);
    else
        fputs(", \"line\": null", out);
    fprintf(out, ", \"state\": \"%s\", \"duration_ns\": ", state);
    if (it->end_ns)
        fprintf(out, "%" PRIu64 "}", duration_ns(it));
    else
        fputs("null}", out);
}

static void print_json(FILE *out, const struct contract *c, const char *tail, const struct vm_stats *stats)
{
    fprintf(out, "{\n  \"schema\": %d,\n  \"name\": ", RESULT_SCHEMA);
    json_put_string(out, c->opt->name);
    fprintf(out, ",\n  \"outcome\": \"%s\",\n  \"reason\": \"%s\",\n  \"message\": ", outcome_name(c),
            vm_stop_reason_name(c->outcome.reason));
    json_put_string(out, message(c));
    fprintf(out, ",\n  \"exit_status\": %d,\n  \"guest_status\": ", c->status);
    if (c->outcome.reason == VM_STOP_GUEST_EXIT)
        fprintf(out, "%d", c->outcome.guest_code);
    else
        fputs("null", out);
    fprintf(out, ",\n  \"duration_ns\": %" PRIu64 ",\n  \"steps\": [", c->end_ns - c->start_ns);
    for (unsigned i = 0; i < c->nr_items; i++) {
        fputs(i ? ",\n" : "\n", out);
        json_item(out, c, &c->item[i]);
    }
    fputs(c->nr_items ? "\n  ],\n  \"console_tail\": " : "],\n  \"console_tail\": ", out);
    json_put_string(out, tail);
    fputs(",\n  \"statistics\": ", out);
    if (stats)
        stats_print_json(out, stats);
    else
        fputs("null\n", out);
    fputs("}\n", out);
}

/* --- JUnit ----------------------------------------------------------------------------------------------------------- */

static void xml_attribute(FILE *out, const char *name, const char *value)
{
    fprintf(out, " %s=\"", name);
    xml_put_text(out, value, strlen(value), true);
    fputc('"', out);
}

static void xml_seconds(FILE *out, uint64_t ns)
{
    fprintf(out, " time=\"%" PRIu64 ".%06u\"", ns / 1000000000, (unsigned)(ns % 1000000000 / 1000));
}

static void xml_case(FILE *out, const struct contract *c, const char *name, uint64_t ns)
{
    fputs("    <testcase", out);
    xml_attribute(out, "classname", c->opt->name);
    xml_attribute(out, "name", name);
    xml_seconds(out, ns);
}

static void xml_trouble(FILE *out, const struct contract *c, const char *element)
{
    fprintf(out, ">\n      <%s", element);
    xml_attribute(out, "type", vm_stop_reason_name(c->outcome.reason));
    xml_attribute(out, "message", c->reason);
    fputs("/>\n    </testcase>\n", out);
}

/* Two statements of one text have names of their own: by the line. */
static void xml_item(FILE *out, const struct contract *c, const struct item *it)
{
    char name[REASON_LEN];

    if (it->option)
        snprintf(name, sizeof(name), "%s %.900s", it->option, it->source);
    else
        snprintf(name, sizeof(name), "%.100s:%u %.800s", c->script.name, it->step->line, it->source);
    xml_case(out, c, name, duration_ns(it));
    if (it->state == ITEM_BROKEN)
        xml_trouble(out, c, "failure");
    else
        fputs(it->state == ITEM_KEPT ? "/>\n" : "><skipped message=\"not reached\"/></testcase>\n", out);
}

static void xml_counts(FILE *out, const struct contract *c)
{
    unsigned broken = c->status && !is_error(c), skipped = 0;

    for (unsigned i = 0; i < c->nr_items; i++) {
        broken += c->item[i].state == ITEM_BROKEN;
        skipped += c->item[i].state == ITEM_WAITING || c->item[i].state == ITEM_CURRENT;
    }
    fprintf(out, " tests=\"%u\" failures=\"%u\" errors=\"%u\" skipped=\"%u\"", c->nr_items + 1,
            broken, is_error(c) ? 1u : 0u, skipped);
    xml_seconds(out, c->end_ns - c->start_ns);
}

static void print_junit(FILE *out, const struct contract *c, const char *tail, const struct vm_stats *stats)
{
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"vibevmm\"", out);
    xml_counts(out, c);
    fputs(">\n  <testsuite", out);
    xml_attribute(out, "name", c->opt->name);
    xml_counts(out, c);
    fprintf(out, ">\n    <properties>\n      <property name=\"exit_status\" value=\"%d\"/>\n", c->status);
    if (stats)
        fprintf(out, "      <property name=\"accel\" value=\"%s\"/>\n      <property name=\"machine\" value=\"%s\"/>\n",
                stats->accel, stats->machine);
    fputs("    </properties>\n", out);
    xml_case(out, c, "run", c->end_ns - c->start_ns);
    if (c->status)
        xml_trouble(out, c, is_error(c) ? "error" : "failure");
    else
        fputs("/>\n", out);
    for (unsigned i = 0; i < c->nr_items; i++)
        xml_item(out, c, &c->item[i]);
    fputs("    <system-out>", out);
    xml_put_text(out, tail, strlen(tail), false);
    fputs("</system-out>\n  </testsuite>\n</testsuites>\n", out);
}

/* --- Both ------------------------------------------------------------------------------------------------------------ */

static int finish_file(FILE *f, const char *option, const char *path, struct err *e)
{
    return fflush(f) || ferror(f)
               ? err_set(e, errno ? errno : EIO, "%s %s: %s", option, path, strerror(errno))
               : 0;
}

int contract_report(struct contract *c, const struct vm_stats *stats, struct err *e)
{
    int r = 0;

    if (!c->junit && !c->result)
        return 0;
    char *tail = transcript_tail(&c->text, TAIL_LINES);
    if (!tail)
        return err_set(e, ENOMEM, "out of memory");
    if (c->junit) {
        print_junit(c->junit, c, tail, stats);
        r = finish_file(c->junit, "--junit", c->opt->junit, e);
    }
    if (c->result && !r) {
        print_json(c->result, c, tail, stats);
        r = finish_file(c->result, "--result", c->opt->result, e);
    }
    free(tail);
    return r;
}
