#!/bin/sh
# Runs a command with the secrets that were mounted as files in its environment, which is where
# settings look for them: /run/secrets/OPENAI_API_KEY becomes OPENAI_API_KEY. Files whose names are
# no names of variables are left alone.
set -eu
for file in "${CROSSMODEL_SECRETS:-/run/secrets}"/*; do
  name=${file##*/}
  case $name in '' | *[!A-Za-z0-9_]* | [0-9]*) continue ;; esac
  [ -f "$file" ] || continue
  value=$(cat "$file")  # apart from export, which would hide that it failed
  export "$name=$value"
done
exec "$@"
