#!/bin/sh
# Becomes the command that it is given, unless untrusted code could not be isolated here: then one line says what is missing.
codeio check-isolation --required || exit 1
exec "$@"
