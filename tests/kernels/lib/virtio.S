// virtio over MMIO (virtio 1.2, "Virtio Over MMIO"). Constants; emits no code.
    .equ    VIRTIO,     0x0a000000      // transports, 0x200 apart; SPI 16 up
    .equ    V_VERSION,  0x004
    .equ    V_DEVICE_ID, 0x008
    .equ    V_DEVICE_FEATURES, 0x010
    .equ    V_DEVICE_FEATURES_SEL, 0x014
    .equ    V_DRIVER_FEATURES, 0x020
    .equ    V_DRIVER_FEATURES_SEL, 0x024
    .equ    V_PAGE_SIZE, 0x028          // legacy
    .equ    V_QUEUE_SEL, 0x030
    .equ    V_QUEUE_NUM_MAX, 0x034
    .equ    V_QUEUE_NUM, 0x038
    .equ    V_QUEUE_ALIGN, 0x03c        // legacy
    .equ    V_QUEUE_PFN, 0x040          // legacy
    .equ    V_QUEUE_READY, 0x044
    .equ    V_QUEUE_NOTIFY, 0x050
    .equ    V_INTERRUPT_STATUS, 0x060
    .equ    V_INTERRUPT_ACK, 0x064
    .equ    V_STATUS,   0x070
    .equ    V_QUEUE_DESC, 0x080         // low and high word, as the next two
    .equ    V_QUEUE_DRIVER, 0x090
    .equ    V_QUEUE_DEVICE, 0x0a0
    .equ    V_CONFIG,   0x100
    .equ    ACKNOWLEDGE, 1
    .equ    DRIVER,     2
    .equ    DRIVER_OK,  4
    .equ    FEATURES_OK, 8
    .equ    DESC_NEXT,  1
    .equ    DESC_WRITE, 2
