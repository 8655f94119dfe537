// The clock of `moved_clock.py` for aarch64: `as aarch64.s`, then `objcopy -O binary -j .text`.
// At `data`: the address of: 0 nanoseconds to add to real time, 8 the leap at each look, 16 the leaps so far, 24 the
// moment at which the clock was set (0: it is the machine's own), 32 the address of __errno_location.
clock_gettime:                      // w0: clock, x1: where the time goes
    ldr x9, data
    ldr x10, [x9, 24]
    cbz x10, own
    cbz w0, moved                   // CLOCK_REALTIME
    cmp w0, 5                       // CLOCK_REALTIME_COARSE
    b.eq moved
    cmp w0, 11                      // CLOCK_TAI
    b.eq moved
    cmp w0, 2                       // CLOCK_PROCESS_CPUTIME_ID
    b.eq cpu
    cmp w0, 3                       // CLOCK_THREAD_CPUTIME_ID
    b.eq cpu
own:
    mov x8, 113
    svc 0
    tbnz w0, 31, failed
    ret
failed:
    stp x29, x30, [sp, -32]!
    neg w0, w0
    str w0, [sp, 16]
    ldr x10, [x9, 32]
    blr x10
    ldr w1, [sp, 16]
    str w1, [x0]
    mov w0, -1
    ldp x29, x30, [sp], 32
    ret
cpu:
    stp x1, x30, [sp, -16]!
    bl now
    ldr x10, [x9, 24]
    sub x0, x0, x10
    b split
moved:
    stp x1, x30, [sp, -16]!
    bl now
split:
    ldp x1, x30, [sp], 16
    ldr x11, billion
    udiv x12, x0, x11
    msub x13, x12, x11, x0
    stp x12, x13, [x1]
    mov w0, 0
    ret
gettimeofday:                       // x0: where the time goes
    cbz x0, 1f
    ldr x9, data
    stp x0, x30, [sp, -16]!
    bl now
    ldp x1, x30, [sp], 16
    ldr x11, billion
    udiv x12, x0, x11
    msub x13, x12, x11, x0
    mov x14, 1000
    udiv x13, x13, x14
    stp x12, x13, [x1]
1:  mov w0, 0
    ret
time:                               // x0: where the time goes as well, or 0
    ldr x9, data
    stp x0, x30, [sp, -16]!
    bl now
    ldp x1, x30, [sp], 16
    ldr x11, billion
    udiv x0, x0, x11
    cbz x1, 2f
    str x0, [x1]
2:  ret
now:                                // x0: nanoseconds of the moved clock
    sub sp, sp, 16
    mov x0, 0
    mov x1, sp
    mov x8, 113
    svc 0
    ldp x12, x13, [sp], 16
    ldr x11, billion
    madd x0, x12, x11, x13
    ldr x12, [x9]
    add x0, x0, x12
    ldr x12, [x9, 8]
    cbz x12, 4f
    add x14, x9, 16
3:  ldxr x13, [x14]
    add x13, x13, x12
    stxr w15, x13, [x14]
    cbnz w15, 3b
    add x0, x0, x13
4:  ret
flush:                              // x0 to x1: code that was written and is to be run
    mov x2, x0
5:  dc cvau, x2
    add x2, x2, 16
    cmp x2, x1
    b.lo 5b
    dsb ish
    mov x2, x0
6:  ic ivau, x2
    add x2, x2, 16
    cmp x2, x1
    b.lo 6b
    dsb ish
    isb
    ret
.balign 8
billion: .quad 1000000000
data:
