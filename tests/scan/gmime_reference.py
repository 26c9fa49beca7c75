#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What GMime makes of messages, to compare the MIME parser with: mime_reference.py's counterpart, with
the same input and output, and with the same thing set right. The library is Debian's libgmime-3.0-0."""
import ctypes
import hashlib
import re
import sys

LIBRARY = "libgmime-3.0.so.0"
QUOTED_PRINTABLE = 5  # of GMimeContentEncoding
CONTAINERS = ("message/rfc822", "message/global", "message/news")


class ByteArray(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("len", ctypes.c_uint)]


class GMime:
    """The library's functions by their names; pointers in, pointers out, if nothing else is said."""

    def __init__(self):
        self.gmime = ctypes.CDLL(LIBRARY)
        self.gobject = ctypes.CDLL("libgobject-2.0.so.0")
        self.glib = ctypes.CDLL("libglib-2.0.so.0")
        self.call("init")
        self.kinds = {name: self.call(name + "_get_type", result=ctypes.c_size_t)
                      for name in ("multipart", "message_part", "part")}

    def call(self, name, *arguments, result=ctypes.c_void_p):
        function = getattr(self.gmime, "g_mime_" + name)
        function.restype = result
        return function(*[ctypes.c_void_p(a) if isinstance(a, int) or a is None else a
                          for a in arguments])

    def is_a(self, thing, kind):
        return self.gobject.g_type_check_instance_is_a(ctypes.c_void_p(thing),
                                                       ctypes.c_size_t(self.kinds[kind]))

    def drop(self, thing):
        self.gobject.g_object_unref(ctypes.c_void_p(thing))

    def message(self, data):
        stream = self.call("stream_mem_new_with_buffer", ctypes.c_char_p(data),
                           ctypes.c_size_t(len(data)))
        parser = self.call("parser_new_with_stream", stream)
        message = self.call("parser_construct_message", parser, None)
        self.drop(parser)
        self.drop(stream)
        return message

    def kind(self, part):
        text = self.call("content_type_get_mime_type", self.call("object_get_content_type", part))
        kind = ctypes.string_at(text).decode("latin-1").lower()
        self.glib.g_free(ctypes.c_void_p(text))
        return kind

    def written(self, function, source):
        """What the function writes of the source to a stream."""
        stream = self.call("stream_mem_new")
        self.call(function, source, stream, result=ctypes.c_ssize_t)
        array = ByteArray.from_address(self.call("stream_mem_get_byte_array", stream))
        data = ctypes.string_at(array.data, array.len) if array.len else b""
        self.drop(stream)
        return data

    def decoded(self, part):
        content = self.call("part_get_content", part)
        if not content:
            return b""
        encoding = self.call("data_wrapper_get_encoding", content, result=ctypes.c_int)
        if encoding != QUOTED_PRINTABLE:
            return self.written("data_wrapper_write_to_stream", content)
        raw = self.call("data_wrapper_get_stream", content)
        self.call("stream_reset", raw, result=ctypes.c_int)
        text = re.sub(rb"[ \t]+(?=\r?\n|$)", b"", self.written("stream_write_to_stream", raw))
        stream = self.call("stream_mem_new_with_buffer", ctypes.c_char_p(text),
                           ctypes.c_size_t(len(text)))
        content = self.call("data_wrapper_new_with_stream", stream, ctypes.c_int(encoding))
        data = self.written("data_wrapper_write_to_stream", content)
        self.drop(content)
        self.drop(stream)
        return data

    def leaves(self, part):
        if not part:
            return
        if self.is_a(part, "multipart"):
            for i in range(self.call("multipart_get_count", part, result=ctypes.c_int)):
                yield from self.leaves(self.call("multipart_get_part", part, ctypes.c_int(i)))
        elif self.is_a(part, "message_part"):
            inner = self.call("message_part_get_message", part)
            if self.kind(part) not in CONTAINERS:
                yield self.kind(part), None
            elif inner:
                yield from self.leaves(self.call("message_get_mime_part", inner))
        elif self.is_a(part, "part"):
            yield self.kind(part), self.decoded(part)


def main():
    gmime = GMime()
    for path in sys.stdin.buffer.read().decode("utf-8", "surrogateescape").split("\n"):
        if not path:
            continue
        print("file", path)
        with open(path, "rb") as file:
            data = re.sub(rb"\A>?From .*\n", b"", file.read())  # an mbox's, no message begins so
        message = gmime.message(data)
        if not message:
            print("error no message")
            continue
        for kind, payload in gmime.leaves(gmime.call("message_get_mime_part", message)):
            kind = re.split(r"[^!-~]", kind)[0] or "?"
            if payload is None:
                print("leaf - -", kind)
            else:
                print("leaf", len(payload), hashlib.sha256(payload).hexdigest(), kind)
        gmime.drop(message)


main()
