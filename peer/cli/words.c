/* words.c - 24 bits as four words that two people can compare aloud.
 *
 * 64 words of six bits each: short, common, none that sounds like another. */
#include "words.h"

#include <stdio.h>

static const char *const words[64] = {
    "apple",  "arrow",  "bread",  "brick",  "camel",  "candle", "chalk",  "cherry", "clock",  "cloud",
    "copper", "crown",  "desert", "donkey", "eagle",  "echo",   "engine", "fern",   "flute",  "forest",
    "frog",   "garlic", "ghost",  "guitar", "hammer", "honey",  "igloo",  "iron",   "jacket", "juice",
    "kettle", "ladder", "lemon",  "lion",   "magnet", "maple",  "mirror", "moon",   "needle", "nose",
    "ocean",  "olive",  "onion",  "paper",  "pencil", "piano",  "quilt",  "rabbit", "river",  "rocket",
    "salt",   "silver", "snake",  "spoon",  "sugar",  "tiger",  "tower",  "tulip",  "uncle",  "velvet",
    "violin", "whale",  "window", "zebra",
};

const char *words_print(char text[WORDS_MAX], const uint8_t bits[3])
{
    uint32_t all = (uint32_t)bits[0] << 16 | (uint32_t)bits[1] << 8 | bits[2];
    snprintf(text, WORDS_MAX, "%s %s %s %s", words[all >> 18 & 63], words[all >> 12 & 63],
             words[all >> 6 & 63], words[all & 63]);
    return text;
}
