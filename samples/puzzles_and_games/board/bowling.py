# ten pin bowling, score sheet from a string like "X 7/ 9- 36"
#
# X strike, / spare, - nothing. strike = 10 + next two rolls, spare = 10 + next roll

def to_rolls(sheet):
    rolls = []
    for ch in sheet.upper():
        if ch == " ": continue
        if ch == "X":
            rolls.append(10)
        elif ch == "/":
            rolls.append(10 - rolls[-1])
        elif ch == "-":
            rolls.append(0)
        else:
            rolls.append(int(ch))
    return rolls

def frames(rolls):
    """running total after every frame (as on the monitor)"""
    totals = []
    t = 0
    k = 0
    while len(totals) < 10 and k < len(rolls):
        three = rolls[k:k+3]
        if three[0] == 10:          # strike
            t += sum(three)
            k += 1
        elif sum(three[:2]) == 10:  # spare
            t += sum(three)
            k += 2
        else:
            t += sum(three[:2])
            k += 2
        totals.append(t)
    return totals

def best_player(sheets):
    name = None
    for n in sorted(sheets):
        if name is None or frames(to_rolls(sheets[n]))[-1] > frames(to_rolls(sheets[name]))[-1]:
            name = n
    return name

friday = {"Lea": "9/ 8- X 72 6/ 5- -/ X 81 7/4", "Max": "X X 4/ 35 9- 62 X 7/ 8/ XX6"}

if __name__ == '__main__':
    for n in friday:
        print(n, frames(to_rolls(friday[n])))
    print("winner:", best_player(friday))
    print("perfect game:", frames(to_rolls("X" * 12))[-1])
    # input("press enter")
