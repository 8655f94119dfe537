# Nim - who wins?   (homework 3, discrete maths)
# heaps = [3,4,5]
heaps = [3, 4, 5]
DEBUG = False

def xor_all(hs):
    x = 0
    for h in hs:
        x = x ^ h
        if DEBUG: print("after", h, "->", x)
    return x

def best_move(hs):
    '''returns (heap index, how many to take) or None if we are lost anyway'''
    x = xor_all(hs)
    if x == 0:
        return None
    for i in range(len(hs)):
        target = hs[i] ^ x
        if target < hs[i]:
            return (i, hs[i] - target)
    # cannot happen
    return None

def show(hs):
    for i, h in enumerate(hs):
        print(i, "|" * h)

if __name__ == "__main__":
    show(heaps)
    while sum(heaps) > 0:
        m = best_move(heaps)
        if m == None:
            # computer is losing: take 1 from the biggest one
            i = heaps.index(max(heaps))
            m = (i, 1)
        print("computer takes", m[1], "from heap", m[0])
        heaps[m[0]] -= m[1]
        show(heaps)
        if sum(heaps) == 0:
            print("computer wins!!")
            break
        a = int(input("heap? "))
        b = int(input("how many? "))
        heaps[a] -= b     # TODO check that this is allowed
