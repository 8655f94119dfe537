# sieve of eratosthenes   (python 2.7, course 2011)
import sys

def sieve(n):
    flags = [True] * (n + 1)
    flags[0] = flags[1] = False
    for i in xrange(2, int(n ** 0.5) + 1):
        if flags[i]:
            for j in xrange(i * i, n + 1, i):
                flags[j] = False
    return [i for i in xrange(n + 1) if flags[i]]

if __name__ == "__main__":
    n = int(raw_input("up to: "))
    p = sieve(n)
    print "found", len(p), "primes"
    print p
    print >> sys.stderr, "done"
