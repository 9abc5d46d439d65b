/* Counts words. */
#ifndef WORDS_H
#define WORDS_H

#include <stddef.h>

#define WORDS_MAX 256
#define WORD_LENGTH 32

/* A word and how often it was seen. */
struct entry {
    char word[WORD_LENGTH];
    unsigned count;
};

/* Words in the order in which they were first seen. */
struct table {
    struct entry entries[WORDS_MAX];
    size_t used;
};

/* Reads the next word, in lower case, into `word`. Returns 0 at the end. */
int next_word(char word[WORD_LENGTH]);

/* Counts `word`. Words beyond the table's end are not counted. */
void table_add(struct table *table, const char *word);

/* Sorts by count, then by word. */
void table_sort(struct table *table);

#endif
