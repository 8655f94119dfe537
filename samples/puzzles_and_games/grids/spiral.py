# read a matrix in spiral order (interview question)

def spiral(m):
    res = []
    if not m or not m[0]:
        return res
    top = 0
    bottom = len(m) - 1
    left = 0
    right = len(m[0]) - 1
    while top <= bottom and left <= right:
        for c in range(left, right + 1):
            res.append(m[top][c])
        top += 1
        for r in range(top, bottom + 1):
            res.append(m[r][right])
        right -= 1
        if top <= bottom:
            for c in range(right, left - 1, -1):
                res.append(m[bottom][c])
            bottom -= 1
        if left <= right:
            for r in range(bottom, top - 1, -1):
                res.append(m[r][left])
            left += 1
    return res

# one-liner from a friend, understand later
# spiral2 = lambda m: m and list(m[0]) + spiral2(list(zip(*m[1:]))[::-1])

def numbered(rows, cols):
    return [[r * cols + c + 1 for c in range(cols)] for r in range(rows)]

if __name__ == "__main__":
    for size in [(3, 3), (2, 4), (1, 5), (4, 1)]:
        M = numbered(*size)
        for row in M: print(row)
        print(" -> ", spiral(M))
        print()
