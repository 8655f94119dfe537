# The clock of `moved_clock.py` for x86_64: `as x86_64.s`, then `objcopy -O binary -j .text`.
# At `data`: the address of: 0 nanoseconds to add to real time, 8 the leap at each look, 16 the leaps so far, 24 the
# moment at which the clock was set (0: it is the machine's own), 32 the address of __errno_location.
.intel_syntax noprefix
clock_gettime:                      # edi: clock, rsi: where the time goes
    mov r9, [rip+data]
    cmp qword ptr [r9+24], 0
    je  own
    cmp edi, 0                      # CLOCK_REALTIME
    je  moved
    cmp edi, 5                      # CLOCK_REALTIME_COARSE
    je  moved
    cmp edi, 11                     # CLOCK_TAI
    je  moved
    cmp edi, 2                      # CLOCK_PROCESS_CPUTIME_ID
    je  cpu
    cmp edi, 3                      # CLOCK_THREAD_CPUTIME_ID
    je  cpu
own:
    mov eax, 228
    syscall
    test eax, eax
    js  failed
    ret
failed:
    neg eax
    push rax
    call [r9+32]
    pop rcx
    mov [rax], ecx
    mov eax, -1
    ret
cpu:
    push rsi
    call now
    sub rax, [r9+24]
    jmp split
moved:
    push rsi
    call now
split:
    pop rsi
    xor edx, edx
    mov ecx, 1000000000
    div rcx
    mov [rsi], rax
    mov [rsi+8], rdx
    xor eax, eax
    ret
gettimeofday:                       # rdi: where the time goes
    test rdi, rdi
    je  1f
    mov r9, [rip+data]
    push rdi
    call now
    pop rdi
    xor edx, edx
    mov ecx, 1000000000
    div rcx
    mov [rdi], rax
    mov eax, edx
    xor edx, edx
    mov ecx, 1000
    div ecx
    mov [rdi+8], rax
1:  xor eax, eax
    ret
time:                               # rdi: where the time goes as well, or 0
    mov r9, [rip+data]
    push rdi
    call now
    pop rdi
    xor edx, edx
    mov ecx, 1000000000
    div rcx
    test rdi, rdi
    je  2f
    mov [rdi], rax
2:  ret
now:                                # rax: nanoseconds of the moved clock
    sub rsp, 16
    xor edi, edi
    mov rsi, rsp
    mov eax, 228
    syscall
    pop rcx
    pop rax
    imul rcx, rcx, 1000000000
    add rax, rcx
    add rax, [r9]
    mov rcx, [r9+8]
    test rcx, rcx
    je  3f
    mov rdx, rcx
    lock xadd [r9+16], rcx
    add rax, rcx
    add rax, rdx
3:  ret
.balign 8
data:
