#!/bin/sh
# render.sh FROM TO --title TITLE --suffix=SUFFIX
from=$1 to=$2 title=$4 suffix=${5#--suffix=}
mkdir -p "$to"
echo "render: $title; header $HEADER; footer $FOOTER; note $NOTE; colon $COLON"
while :; do
    for page in "$from"/*.txt; do
        name=$(basename "$page" .txt)
        { echo "$HEADER<title>$title</title><h1>$(head -n 1 "$page")</h1>"; tail -n +2 "$page"; } >"$to/$name$suffix"
    done
    sleep "$EVERY"
done
