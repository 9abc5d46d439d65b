#include "words.h"

#include <ctype.h>
#include <stdio.h>

int next_word(char word[WORD_LENGTH])
{
    size_t length = 0;
    int c;

    while ((c = getchar()) != EOF) {
        if (isalpha(c)) {
            if (length + 1 < WORD_LENGTH)
                word[length++] = (char)tolower(c);
        } else if (length > 0) {
            break;
        }
    }
    word[length] = '\0';
    return length > 0;
}
