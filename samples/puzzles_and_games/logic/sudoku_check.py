"""checks if a filled sudoku is ok. only 9x9"""

board = [
    [3, 5, 6, 2, 4, 9, 1, 8, 7],
    [9, 2, 4, 8, 7, 1, 3, 5, 6],
    [1, 8, 7, 5, 6, 3, 9, 2, 4],
    [8, 6, 1, 4, 3, 5, 2, 7, 9],
    [5, 4, 3, 7, 9, 2, 8, 6, 1],
    [2, 7, 9, 6, 1, 8, 5, 4, 3],
    [4, 9, 5, 1, 2, 7, 6, 3, 8],
    [7, 1, 2, 3, 8, 6, 4, 9, 5],
    [6, 3, 8, 9, 5, 4, 7, 1, 2],
]


class SudokuChecker:
    def __init__(self, b):
        self.b = b
        self.problems = []

    def _check(self, cells, name):
        seen = []
        for c in cells:
            if c == 0:      # empty cell
                continue
            if c in seen:
                self.problems.append(name + " has " + str(c) + " twice")
            seen.append(c)

    def run(self):
        for r in range(9):
            self._check(self.b[r], "row " + str(r))
        for c in range(9):
            self._check([self.b[r][c] for r in range(9)], "col " + str(c))
        for br in range(0, 9, 3):
            for bc in range(0, 9, 3):
                box = []
                for i in range(3):
                    for j in range(3):
                        box.append(self.b[br + i][bc + j])
                self._check(box, "box " + str(br // 3) + str(bc // 3))
        return self.problems


if __name__ == '__main__':
    s = SudokuChecker(board)
    p = s.run()
    if len(p) == 0:
        print("VALID")
    else:
        for line in p: print(line)
    #board[0][0] = 5
    #print(SudokuChecker(board).run())
