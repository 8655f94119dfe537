"""tiny template thing for the school newsletter
   Hello {{name}}, you owe {{amount|0}} euro.
"""

class Template:

    def __init__(self, text):
        self.text = text
        self.missing = []

    def fill(self, data):
        out = ""
        rest = self.text
        while True:
            a = rest.find("{{")
            if a == -1:
                out += rest
                break
            b = rest.find("}}", a)
            if b == -1:
                out += rest       # never closed
                break
            out += rest[:a]
            field = rest[a+2:b].strip()
            default = None
            if "|" in field:
                field, default = field.split("|", 1)
            if field in data:
                out += str(data[field])
            elif default is not None:
                out += default
            else:
                self.missing.append(field)
                out += "???"
            rest = rest[b+2:]
        return out


def render(text, data):
    t = Template(text)
    s = t.fill(data)
    return {"text": s, "missing": t.missing}


people = [
    {"name": "Ana", "amount": 12},
    {"name": "Bo"},
    {"amount": 3},
]

for p in people:
    r = render("Hello {{name}}, you owe {{amount|0}} euro.", p)
    print(r["text"])
    if r["missing"]: print("   !! missing:", r["missing"])
