#include "spec/c/codec/pieces.h"

#include "codec/json_input.h"

static const char digits[] = "0123456789";

static void check_digits(struct sl_json_input *input)
{
    int c = sl_json_peek(input);

    for (size_t i = 0; digits[i] != '\0'; i++) {
        CHECK_INT(c, digits[i]);
        CHECK_INT(sl_json_peek(input), c);
        CHECK_INT(sl_json_offset_of(input, input->place.at), i);
        c = sl_json_step(input);
    }
    CHECK_INT(c, SL_JSON_END_OF_TEXT);
    CHECK_INT(sl_json_peek(input), SL_JSON_END_OF_TEXT);
    CHECK(!sl_json_move_on(input));
    CHECK_INT(sl_json_fail(input, "more"), SL_DECODE);
    CHECK_STR(input->error, "more");
    CHECK_INT(input->offset, sizeof digits - 1);
}

static void check_pieces(const struct sl_view *pieces, size_t count,
                         void *argument)
{
    struct sl_sequence sequence = sequence_of(pieces, count);
    struct sl_json_input input;

    (void)argument;
    sl_json_input_init(&input, &sequence, sl_view(NULL, 0));
    check_digits(&input);
    free(sequence.slices);
}

TEST("goes through all bytes to the end, by their offsets, however cut")
{
    struct sl_json_input input;

    sl_json_input_init(&input, NULL, SL_VIEW("0123456789"));
    check_digits(&input);
    test_each_cut(SL_VIEW("0123456789"), check_pieces, NULL);
}

TEST("is at its end at once when it is empty")
{
    struct sl_json_input input;

    sl_json_input_init(&input, NULL, sl_view(NULL, 0));
    CHECK_INT(sl_json_peek(&input), SL_JSON_END_OF_TEXT);
    CHECK_INT(sl_json_fail_at(&input, 3, "wrong"), SL_DECODE);
    CHECK_INT(input.offset, 3);
    CHECK_STR(input.error, "wrong");
}

TEST("an end that is followed by a piece is not the end")
{
    struct sl_view pieces[] = {SL_VIEW("ab"), SL_VIEW("c")};
    struct sl_sequence sequence = sequence_of(pieces, 2);
    struct sl_json_input input;

    sl_json_input_init(&input, &sequence, sl_view(NULL, 0));
    CHECK_INT(sl_json_peek(&input), 'a');
    CHECK_INT(sl_json_step(&input), 'b');
    CHECK_INT(sl_json_step(&input), 'c');
    CHECK_INT(sl_json_offset_of(&input, input.place.at), 2);
    free(sequence.slices);
}

int main(void)
{
    return test_main();
}
