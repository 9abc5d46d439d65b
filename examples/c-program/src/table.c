#include "words.h"

#include <stdlib.h>
#include <string.h>

void table_add(struct table *table, const char *word)
{
    size_t i;

    for (i = 0; i < table->used; i++) {
        if (strcmp(table->entries[i].word, word) == 0) {
            table->entries[i].count++;
            return;
        }
    }
    if (table->used < WORDS_MAX) {
        strcpy(table->entries[table->used].word, word);
        table->entries[table->used++].count = 1;
    }
}

static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;

    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    return strcmp(a->word, b->word);
}

void table_sort(struct table *table)
{
    qsort(table->entries, table->used, sizeof table->entries[0], compare);
}
