# my own textwrap because we were not allowed to use the module
# usage: python wrap_text.py 30

import sys

SAMPLE = "The quick brown fox jumps over the lazy dog and then takes a very long nap under the old apple tree."

def wrap(text, width):
    lines = []
    line = ""
    for word in text.split():
        while len(word) > width:
            # word longer than a line: cut it
            if line != "":
                lines.append(line)
                line = ""
            lines.append(word[:width])
            word = word[width:]
        if word == "":
            continue
        if line == "":
            line = word
        elif len(line) + 1 + len(word) <= width:
            line = line + " " + word
        else:
            lines.append(line)
            line = word
    if line != "":
        lines.append(line)
    return lines

def justify(line, width):
    # fills with spaces from left to right
    words = line.split(" ")
    if len(words) == 1: return line
    gaps = [1] * (len(words) - 1)
    missing = width - len(line)
    k = 0
    while missing > 0:
        gaps[k % len(gaps)] += 1
        k += 1
        missing -= 1
    out = words[0]
    for w, g in zip(words[1:], gaps):
        out += " " * g + w
    return out

if __name__ == "__main__":
    w = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    ls = wrap(SAMPLE, w)
    for l in ls[:-1]:
        print("|" + justify(l, w) + "|")
    print("|" + ls[-1].ljust(w) + "|")
