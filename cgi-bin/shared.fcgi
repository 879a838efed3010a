#!/bin/sh
# Stands for info.fcgi, stream.fcgi or admin.fcgi in a folder of the web server, and is called as the one it stands for: starts the
# program with its settings (`data_dir` first of all: `sluice config --example`).
@?CONFIG@export SLUICE_CONFIG="@CONFIG@"
exec "@PROGRAMS@/${0##*/}"
