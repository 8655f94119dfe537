#!/usr/bin/env python3
# -*- coding: utf-8 -*-
# Siamese method, works only for odd numbers!!

def makeMagic(n):
    if n % 2 == 0:
        print("only odd numbers please")
        return []
    sq = []
    for i in range(n):
        sq.append([0] * n)
    i = 0
    j = n // 2
    for k in range(1, n * n + 1):
        sq[i][j] = k
        newi = (i - 1) % n
        newj = (j + 1) % n
        if sq[newi][newj] != 0:
            newi = (i + 1) % n
            newj = j
        i = newi
        j = newj
    return sq

def magicConstant(n):
    return n * (n * n + 1) // 2

def isMagic(sq):
    n = len(sq)
    total = sum(sq[0])
    for row in sq:
        if sum(row) != total: return False
    for c in range(n):
        if sum(sq[r][c] for r in range(n)) != total: return False
    d1 = sum(sq[x][x] for x in range(n))
    d2 = sum(sq[x][n - 1 - x] for x in range(n))
    return d1 == total and d2 == total

def pretty(sq):
    w = len(str(len(sq) ** 2)) + 1
    for row in sq:
        print("".join(str(v).rjust(w) for v in row))

if __name__ == "__main__":
    n = int(input("size (odd): "))
    s = makeMagic(n)
    pretty(s)
    print("sum is", magicConstant(n), "ok" if isMagic(s) else "NOT OK")
