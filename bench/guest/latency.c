/* Virtual timer interrupt: from CNTV_CVAL_EL0 to the first instruction of the handler, and what WFI adds.
 * Prints the minimum, the median and the maximum in ns for a busy CPU and for one that waits in WFI. */
#include "guest.h"

#define SAMPLES 1001u
#define GICD 0x08000000u
#define GICR 0x080a0000u
#define INTID 27u

void irq_taken(uint64_t now);

static volatile uint64_t taken_at;
static uint64_t sample[SAMPLES];

static void write32(uint64_t address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}

static void gic_init(void)
{
    write32(GICD, 0x12);
    write32(GICR + 0x14, 0);
    write32(GICR + 0x10080, 0xffffffff);
    write32(GICR + 0x10400 + (INTID & ~3u), 0xa0a0a0a0);
    write32(GICR + 0x10100, 1u << INTID);
    __asm__ volatile("msr S3_0_C12_C12_5, %0\n\tisb" ::"r"(7ul));      /* ICC_SRE_EL1 */
    __asm__ volatile("msr S3_0_C4_C6_0, %0" ::"r"(0xfful));             /* ICC_PMR_EL1 */
    __asm__ volatile("msr S3_0_C12_C12_7, %0\n\tisb" ::"r"(1ul));       /* ICC_IGRPEN1_EL1 */
}

/* From irq_entry, interrupts masked. */
void irq_taken(uint64_t now)
{
    uint64_t intid;
    __asm__ volatile("mrs %0, S3_0_C12_C12_0" : "=r"(intid)); /* ICC_IAR1_EL1 */
    __asm__ volatile("msr CNTV_CTL_EL0, xzr\n\tisb");
    __asm__ volatile("msr S3_0_C12_C12_1, %0\n\tisb" ::"r"(intid)); /* ICC_EOIR1_EL1 */
    taken_at = now;
}

static void measure(int wait)
{
    for (unsigned i = 0; i < SAMPLES; i++) {
        const uint64_t due = ticks() + 12500; /* 200 us */
        taken_at = 0;
        __asm__ volatile("msr CNTV_CVAL_EL0, %0\n\tmsr CNTV_CTL_EL0, %1\n\tisb\n\tmsr daifclr, #2" ::"r"(due), "r"(1ul));
        while (!taken_at)
            if (wait)
                __asm__ volatile("wfi");
        __asm__ volatile("msr daifset, #2");
        sample[i] = taken_at - due;
    }
    for (unsigned i = 1; i < SAMPLES; i++)
        for (unsigned j = i; j && sample[j - 1] > sample[j]; j--) {
            uint64_t t = sample[j];
            sample[j] = sample[j - 1];
            sample[j - 1] = t;
        }
    put_number(to_ns(sample[0]), 10);
    put(" ");
    put_number(to_ns(sample[SAMPLES / 2]), 10);
    put(" ");
    put_number(to_ns(sample[SAMPLES - 1]), 10);
    put(" ");
}

void guest_main(void)
{
    gic_init();
    measure(0);
    measure(1);
    put("\n");
}
