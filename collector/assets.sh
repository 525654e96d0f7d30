#!/bin/sh
# assets.sh FILE... - prints the C source that holds the files byte by byte (page.h)
printf '/* made by collector/assets.sh */\n#include "collector/page.h"\n\n'
n=0
for f; do
	printf '__asm__(".section .rodata\\n.balign 16\\nasset_%d: .incbin \\"%s\\"\\nasset_%d_end: .byte 0\\n.previous\\n");\n' $n "$f" $n
	printf 'extern const unsigned char asset_%d[], asset_%d_end[];\n' $n $n
	n=$((n + 1))
done
printf '\nconst struct page_asset page_assets[] = {\n'
n=0
for f; do
	printf '\t{ "%s", asset_%d, asset_%d_end },\n' "${f##*/}" $n $n
	n=$((n + 1))
done
printf '\t{ 0 },\n};\n'
