/* Prints the words of its input, the most frequent first. */
#include "words.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    static struct table table;
    char word[WORD_LENGTH];
    size_t i;

    while (next_word(word))
        table_add(&table, word);
    table_sort(&table);
    for (i = 0; i < table.used; i++)
        printf("%4u %s\n", table.entries[i].count, table.entries[i].word);
    if (argc > 1 && strcmp(argv[1], "--verbose") == 0)
        printf("%zu words in all\n", table.used);
    return 0;
}
