#!/bin/sh
# What a figure is traced by, in one line: the commit of this checkout ("-dirty": and changes to it), the day, the machine.
commit=$(git -C "$(dirname "$0")" describe --always --dirty --exclude='*' 2>/dev/null || echo unknown)
cores=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
model=$(sed -n '/^model name/{s/^[^:]*: *//p;q;}' /proc/cpuinfo 2>/dev/null)
echo "commit $commit; $(date -u +%F); $(uname -sm), $cores cores${model:+ of $model}"
