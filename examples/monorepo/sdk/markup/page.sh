#!/bin/sh
# page.sh TITLE STYLESHEET: turns text on standard input into a page on standard output.
# A line that starts with `# ` is a heading, any other line that is not empty a paragraph.
set -eu
printf '<!doctype html>\n<title>%s</title>\n<style>\n' "$1"
while IFS= read -r line; do printf '%s\n' "$line"; done < "$2"
printf '</style>\n'
while IFS= read -r line; do
    case $line in
        '') ;;
        '# '*) printf '<h1>%s</h1>\n' "${line#??}" ;;
        *) printf '<p>%s</p>\n' "$line" ;;
    esac
done
