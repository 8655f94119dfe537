"""Values of the program to JSON text, by their exact types and without running any of the program's code.

Subclasses of `str`, `int`, `float`, `list`, `tuple` and `dict` count as what they derive from, read by the methods
of the base class; numpy scalars and arrays count as what `.item()` and `.tolist()` give. Keys may be what `json`
takes as keys, as long as no two become the same text. Everything else, sets and bytes included, has no JSON form.
What does not live here: the canonical form, which only the host decides.
"""

import builtins
import sys
from collections.abc import Callable, Iterable
from json import encoder
from typing import Any

globals()["__builtins__"] = dict(vars(builtins))  # ours, whatever the program does to the real ones

MAX_DEPTH = 200
INTEGER_DIGITS = 4300
"""Python's own limit for reading an integer from text, which the host keeps to."""
MAX_INTEGER_BITS = 14_280
"""Just under that many digits."""
RECURSION_ROOM = 10_000


class NotSerialisable(Exception):  # noqa: N818  (a property of the value)
    """The value has no JSON form; the message says what in it."""


class TooLarge(Exception):  # noqa: N818  (a property of the value)
    """The JSON text would be longer than the limit."""


Value = Any
"""A value of the program, of whatever class."""

_set_recursion_limit, _set_integer_digits = sys.setrecursionlimit, sys.set_int_max_str_digits
_type: Callable[[Value], Any] = type
_text_of, _integer_of, _number_of = str.__str__, int.__index__, float.__float__
_list_of, _tuple_items = list[Value].copy, tuple[Value, ...].__iter__
_dict_items, _dict_size = dict[Value, Value].items, dict[Value, Value].__len__
_make_encoder: Any = getattr(encoder, "c_make_encoder")  # noqa: B009  (private, and so by name)
_quote, _quote_ascii = encoder.encode_basestring, encoder.encode_basestring_ascii
_class_name = type.__dict__["__name__"].__get__
_class_module = type.__dict__["__module__"].__get__
_class_order = type.__dict__["__mro__"].__get__
_NONE = type(None)
_SCALARS = (int, str, float, bool, _NONE)
_NO_FORM = object()
"""What stands for no JSON form."""


def _refuse(value: Value) -> Value:
    raise NotSerialisable(_class_name(_type(value)))


def _encoder(quote: Callable[[str], str]) -> Callable[[Value, int], Iterable[str]]:
    return _make_encoder(None, _refuse, quote, None, ":", ",", False, False, True)


_encode_utf8, _encode_ascii = _encoder(_quote), _encoder(_quote_ascii)


class _Plain:
    """Rebuilds a value from exact base types, counting what its text will at least need."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise TooLarge

    def of(self, value: Value, depth: int) -> Value:
        kind = _type(value)
        if kind is int:
            return self._integer(value)
        if kind is str:
            self.spend(len(value) + 2)
            return value
        if kind is float or kind is bool or kind is _NONE:
            self.spend(1)
            return value
        if depth >= MAX_DEPTH:
            raise NotSerialisable(f"nested deeper than {MAX_DEPTH}, or contains itself")
        if kind is list or kind is tuple:
            self.spend(1)
            return [self.of(item, depth + 1) for item in value]
        if kind is dict:
            return self._mapping(value, depth)
        return self._derived(value, kind, depth)

    def _integer(self, value: int) -> int:
        if value.bit_length() > MAX_INTEGER_BITS:
            raise NotSerialisable("an integer of more than 4300 digits")
        self.spend(1)
        return value

    def _mapping(self, value: dict[Value, Value], depth: int) -> dict[str, Value]:
        self.spend(1)
        plain = {self._key(key): self.of(item, depth + 1) for key, item in _dict_items(value)}
        if len(plain) != _dict_size(value):
            raise NotSerialisable("two keys become the same JSON text")
        return plain

    def _key(self, key: Value) -> str:
        kind = _type(key)
        if kind is not str:
            key = self._key_text(key, kind)
        self.spend(len(key) + 3)
        return key

    def _key_text(self, key: Value, kind: Value) -> str:
        if issubclass(kind, str):
            return _text_of(key)
        if kind is bool:
            return "true" if key else "false"
        if key is None:
            return "null"
        if issubclass(kind, int):
            return int.__repr__(self._integer(_integer_of(key)))
        if issubclass(kind, float):
            return "".join(_encode_ascii(_number_of(key), 0))
        plain = self._plain_numpy(key, kind)
        if _type(plain) not in _SCALARS:
            raise NotSerialisable(f"a key of type {_class_name(kind)}")
        return plain if _type(plain) is str else self._key_text(plain, _type(plain))

    def _derived(self, value: Value, kind: Value, depth: int) -> Value:
        if issubclass(kind, str):
            return self.of(_text_of(value), depth)
        if issubclass(kind, int):
            return self._integer(_integer_of(value))
        if issubclass(kind, float):
            return _number_of(value)
        if issubclass(kind, list):
            return self.of(_list_of(value), depth)
        if issubclass(kind, tuple):
            return self.of([*_tuple_items(value)], depth)
        if issubclass(kind, dict):
            return self._mapping(value, depth)
        return self._numpy(value, kind, depth)

    def _numpy(self, value: Value, kind: Value, depth: int) -> Value:
        plain = self._plain_numpy(value, kind)
        if plain is _NO_FORM:
            raise NotSerialisable(f"a value of type {_class_name(kind)}")
        return self.of(plain, depth + 1)

    def _plain_numpy(self, value: Value, kind: Value) -> Value:
        """Return what numpy makes of its own scalar or array; `_NO_FORM` for all else, and for moments and durations.

        The latter would be integers or `datetime` objects, as their unit wants it.
        """
        for base in _class_order(kind):
            if _class_module(base) == "numpy" and _class_name(base) in ("generic", "ndarray"):
                return self._taken_apart(value, kind)
        return _NO_FORM

    def _taken_apart(self, value: Value, kind: Value) -> Value:
        try:
            if value.nbytes > self._left * 8:
                raise TooLarge
            plain = _NO_FORM if _holds_time(value.dtype) else value.tolist()
        except AttributeError:  # it only says that it is numpy's
            return _NO_FORM
        return _NO_FORM if _type(plain) is kind else plain


def _holds_time(dtype: Value) -> bool:
    if dtype.subdtype is not None:
        return _holds_time(dtype.subdtype[0])
    if dtype.names is not None:
        return any(_holds_time(dtype.fields[name][0]) for name in dtype.names)
    return dtype.kind in "mM"


def encode(value: Value, limit: int) -> bytes:
    """Return the JSON text of a value as UTF-8, its lone surrogates as escapes.

    Raises:
        NotSerialisable: it has no JSON form.
        TooLarge: the text is longer than `limit` bytes.
    """
    _set_recursion_limit(RECURSION_ROOM)
    _set_integer_digits(INTEGER_DIGITS)
    plain = _Plain(limit).of(value, 0)
    try:
        data = "".join(_encode_utf8(plain, 0)).encode()
    except UnicodeEncodeError:
        data = "".join(_encode_ascii(plain, 0)).encode()
    if len(data) > limit:
        raise TooLarge
    return data
