/* test_ladder_event.c - what lines of a log become in the picture, and what they cannot do to who looks at
 * it. */
#include "ladder_draw.h"
#include "ladder_event.h"
#include "wrap.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ladder ladder;
static struct ladder_reader reader;

static int begin(void **state)
{
    (void)state;
    reader = (struct ladder_reader){.ladder = &ladder};
    return setlocale(LC_CTYPE, "C.UTF-8") && ladder_begin(&ladder) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    ladder_end(&ladder);
    return 0;
}

static bool tell(const char *line)
{
    return ladder_event_line(&reader, line, strlen(line));
}

/* The picture, to be freed. */
static char *draw(bool svg, bool utf8)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    if (svg)
        ladder_draw_svg(&ladder, out);
    else
        ladder_draw_text(&ladder, out, LADDER_WIDTH_MIN, utf8, false);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void expect_both(const char *words)
{
    char *text = draw(false, true), *svg = draw(true, true);
    if (!strstr(text, words) || !strstr(svg, words))
        fail_msg("no %s in\n%s\nor\n%s", words, text, svg);
    free(text);
    free(svg);
}

static void an_event_may_have_anything_before_it(void **state)
{
    (void)state;
    assert_true(tell("{\"event\":\"note\",\"t_ms\":1,\"message\":\"plain\"}"));
    assert_true(tell(
        "Nov 30 09:15:40 home p2pconnect[7]: {\"event\":\"note\",\"t_ms\":2,\"message\":\"journal\"}\r"));
    assert_true(
        tell("data without an end{\"event\":\"no{\"event\":\"note\",\"t_ms\":3,\"message\":\"after data\"}"));
    assert_true(tell("{\"event\": \"note\", \"t_ms\": 4, \"message\": \"re-formatted\"}"));
    expect_both("journal");
    expect_both("after data");
}

static void what_is_no_event_is_refused_and_leaves_nothing(void **state)
{
    static const char *const lines[] = {
        "",
        "connected to attic",
        "{}",
        "{\"event\":\"note\"}",
        "{\"event\":7,\"t_ms\":1}",
        "{\"event\":\"note\",\"t_ms\":-1}",
        "{\"event\":\"note\",\"t_ms\":1.5}",
        "{\"event\":\"note\",\"t_ms\":\"1\"}",
        "{\"event\":\"note\",\"t_ms\":1",
        "{\"event\":\"note\",\"t_ms\":1} and more",
        "{\"event\":\"note\",\"t_ms\":1,\"message\":\"\xff\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (tell(lines[i]))
            fail_msg("taken: %s", lines[i]);
    assert_false(ladder_event_line(&reader, "{\"event\":\"note\",\"t_ms\":1}\0", 26));
    assert_int_equal(ladder.row_count, 0);
}

static void every_event_that_the_program_tells_has_its_row(void **state)
{
    static const char *const lines[][2] = {
        {"{\"event\":\"candidate\",\"t_ms\":1,\"kind\":\"host\",\"address\":\"10.0.0.1:5\"}", "10.0.0.1:5"},
        {"{\"event\":\"candidate\",\"t_ms\":2,\"kind\":\"srflx\",\"address\":\"192.0.2.1:6\"}",
         "you are 192.0.2.1:6"},
        {"{\"event\":\"candidate\",\"t_ms\":2,\"kind\":\"relay\",\"address\":\"192.0.2.9:6\"}",
         "lends 192.0.2.9:6"},
        {"{\"event\":\"candidate\",\"t_ms\":2,\"kind\":\"mapped\",\"address\":\"192.0.2.1:7\"}",
         "port opened"},
        {"{\"event\":\"portmap\",\"t_ms\":2,\"address\":\"10.0.0.1\",\"text\":\"none\"}",
         "no port is opened"},
        {"{\"event\":\"room\",\"t_ms\":3,\"room\":\"r\",\"id\":\"me\",\"brokers\":[\"b.example\"]}",
         "joins the room"},
        {"{\"event\":\"broker\",\"t_ms\":3,\"connected\":false,\"message\":\"refused\"}", "refused"},
        {"{\"event\":\"relay\",\"t_ms\":3,\"message\":\"wrong password\"}", "wrong password"},
        {"{\"event\":\"secret\",\"t_ms\":3,\"final\":true}", "secret"},
        {"{\"event\":\"busy\",\"t_ms\":3,\"peer\":\"q\",\"name\":\"full\",\"text\":\"no room\"}", "no room"},
        {"{\"event\":\"peer\",\"t_ms\":4,\"peer\":\"p\",\"name\":\"attic\",\"purpose\":\"chat\"}",
         "met and proven"},
        {"{\"event\":\"path\",\"t_ms\":5,\"peer\":\"p\",\"kind\":\"broker\",\"rtt_ms\":60.1,\"why\":\"at "
         "first\"}",
         "broker, 60.1 ms"},
        {"{\"event\":\"connected\",\"t_ms\":6,\"peer\":\"p\",\"kind\":\"direct\",\"rtt_ms\":40.1,\"why\":"
         "\"it works\"}",
         "connected: direct, 40.1 ms"},
        {"{\"event\":\"message\",\"t_ms\":7,\"peer\":\"p\",\"text\":\"12345\"}", "message, 5 bytes"},
        {"{\"event\":\"ping\",\"t_ms\":7,\"peer\":\"p\",\"number\":3,\"rtt_ms\":1.5}", "ping 3: 1.5 ms"},
        {"{\"event\":\"summary\",\"t_ms\":7,\"sent\":3,\"received\":2}", "3 pings, 2 came back"},
        {"{\"event\":\"offer\",\"t_ms\":7,\"peer\":\"p\",\"files\":2,\"bytes\":9}", "offers 2 files"},
        {"{\"event\":\"progress\",\"t_ms\":7,\"peer\":\"p\",\"bytes\":1000000,\"total\":2000000}",
         "1.0 of 2.0 MB"},
        {"{\"event\":\"file\",\"t_ms\":7,\"peer\":\"p\",\"path\":\"a/b\",\"fate\":\"arrived\"}",
         "a/b: arrived"},
        {"{\"event\":\"transfer\",\"t_ms\":7,\"peer\":\"p\",\"complete\":true,\"arrived\":2}",
         "transfer complete"},
        {"{\"event\":\"forward\",\"t_ms\":7,\"state\":\"listens\",\"text\":\"on 8080\"}", "forward: on 8080"},
        {"{\"event\":\"listening\",\"t_ms\":7,\"address\":\"0.0.0.0:3478\"}", "listening: 0.0.0.0:3478"},
        {"{\"event\":\"life\",\"t_ms\":7,\"alive_s\":20,\"dead_s\":40}", "alive after 20 s"},
        {"{\"event\":\"doctor\",\"t_ms\":7,\"nat\":{\"mapping\":\"endpoint\",\"filtering\":\"address-and-"
         "port\",\"ports\":"
         "\"preserved\"}}",
         "the NAT: one port for all, answers are let in, ports preserved"},
        {"{\"event\":\"doctor\",\"t_ms\":7,\"stun\":[{\"name\":\"stun.example\",\"state\":\"silent\"}],"
         "\"advice\":[{\"text\":\"open "
         "a port\"}]}",
         "open a port"},
        {"{\"event\":\"yet to come\",\"t_ms\":7}", "yet to come"},
        {"{\"event\":\"stalled\",\"t_ms\":8,\"peer\":\"p\"}", "silent"},
        {"{\"event\":\"closed\",\"t_ms\":9,\"peer\":\"p\",\"reason\":\"lost\",\"text\":\"gone\"}",
         "closed: lost"},
        {"{\"event\":\"error\",\"t_ms\":9,\"code\":7,\"message\":\"was lost\"}", "exit code 7: was lost"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_true(tell(lines[i][0]));
        char *svg = draw(true, true);
        if (!strstr(svg, lines[i][1]))
            fail_msg("%s is not drawn: %s", lines[i][0], lines[i][1]);
        free(svg);
    }
    unsigned rows = ladder.row_count;
    assert_true(tell("{\"event\":\"end\",\"t_ms\":10,\"code\":7}")); /* the error has said it */
    assert_int_equal(ladder.row_count, rows);
    expect_both("attic");
}

static void a_box_is_told_with_the_message_that_carried_it(void **state)
{
    (void)state;
    assert_true(tell("{\"event\":\"trace\",\"t_ms\":1,\"direction\":\"out\",\"text\":\"{\\\"type\\\":"
                     "\\\"offer\\\",\\\"name\\\":"
                     "\\\"me\\\",\\\"candidates\\\":[{\\\"kind\\\":\\\"host\\\",\\\"address\\\":\\\"10.0.0.1:"
                     "5\\\"}]}\"}"));
    assert_int_equal(ladder.row_count, 0);
    assert_true(tell("{\"event\":\"trace\",\"t_ms\":1,\"direction\":\"out\",\"text\":\"{\\\"type\\\":"
                     "\\\"pake2\\\",\\\"from\\\":"
                     "\\\"a\\\",\\\"box\\\":\\\"x\\\"}\"}"));
    assert_string_equal(ladder.rows[0].label, "pake2: offer");
    assert_string_equal(ladder.rows[0].text, "10.0.0.1:5");
    assert_true(tell("{\"event\":\"trace\",\"t_ms\":2,\"direction\":\"in\",\"text\":\"{\\\"type\\\":"
                     "\\\"pake3\\\",\\\"from\\\":"
                     "\\\"b\\\",\\\"box\\\":\\\"x\\\"}\"}"));
    assert_true(tell("{\"event\":\"trace\",\"t_ms\":2,\"direction\":\"in\",\"text\":\"{\\\"type\\\":"
                     "\\\"answer\\\",\\\"candidates\\\":"
                     "[{\\\"kind\\\":\\\"srflx\\\",\\\"address\\\":\\\"192.0.2.7:9\\\"}],\\\"nat\\\":{"
                     "\\\"map\\\":\\\"both\\\"}}\"}"));
    assert_int_equal(ladder.row_count, 2);
    assert_string_equal(ladder.rows[1].label, "pake3: answer");
    assert_string_equal(ladder.rows[1].text,
                        "192.0.2.7:9 (seen outside); its NAT: a port for each destination");
    uint8_t nat = ladder_find(&ladder, PLACE_PEER_NAT, "b");
    assert_true(nat != LADDER_NOWHERE);
    assert_string_equal(ladder.columns[nat].detail, "192.0.2.7");
}

static void a_clock_that_goes_back_is_another_run(void **state)
{
    (void)state;
    assert_true(tell("{\"event\":\"note\",\"t_ms\":100,\"message\":\"one\"}"));
    assert_true(tell("{\"event\":\"note\",\"t_ms\":1,\"message\":\"two\"}"));
    assert_int_equal(ladder.runs, 2);
    expect_both("another run begins");
}

/* Nothing that a terminal or a browser would obey. */
static void expect_harmless(void)
{
    for (int how = 0; how < 3; how++) {
        char *drawn = draw(how == 2, how == 1);
        for (const char *at = drawn; *at; at++)
            if (((unsigned char)*at < 0x20 && *at != '\n') || *at == 0x7f ||
                (how == 0 && (unsigned char)*at >= 0x80))
                fail_msg("byte %02x in %s", (unsigned char)*at, drawn);
        assert_true(how != 2 || !strstr(drawn, "<script"));
        assert_null(strstr(drawn, "\xE2\x80\xAE"));
        assert_true(how != 2 || !strstr(drawn, "\xEF\xBF\xBF")); /* no character of XML */
        free(drawn);
    }
}

static void names_and_texts_of_others_are_shown_and_never_obeyed(void **state)
{
    (void)state;
    assert_true(tell("{\"event\":\"peer\",\"t_ms\":1,\"peer\":\"<script>\",\"name\":\"\\u001b]0;x\\u0007<"
                     "script>\\u202e&\\\"'\","
                     "\"purpose\":\"\\n</svg>\"}"));
    assert_true(tell("{\"event\":\"path\",\"t_ms\":1,\"peer\":\"<script>\",\"kind\":\"\\u009b2J\\uffff\","
                     "\"why\":\"\\r\\n<script>\"}"));
    assert_true(tell("{\"event\":\"<script>\",\"t_ms\":2,\"text\":\"\\u2028\xE6\x97\xA5\"}"));
    expect_harmless();
    char *svg = draw(true, true);
    assert_non_null(strstr(svg, "&lt;script&gt;"));
    assert_non_null(strstr(svg, "&amp;&quot;&#39;"));
    free(svg);
}

static void a_line_of_the_picture_is_as_wide_as_was_asked(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++) {
        char line[200];
        snprintf(
            line, sizeof line,
            "{\"event\":\"peer\",\"t_ms\":%d,\"peer\":\"p%d\",\"name\":\"\xE6\x97\xA5\xE6\x97\xA5 %060d\"}",
            i, i, i);
        assert_true(tell(line));
    }
    for (int utf8 = 0; utf8 < 2; utf8++) {
        char *text = draw(false, utf8), *rest = NULL;
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
            assert_true(wrap_width(line) <= LADDER_WIDTH_MIN);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_event_may_have_anything_before_it, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_event_is_refused_and_leaves_nothing, begin, end),
        cmocka_unit_test_setup_teardown(every_event_that_the_program_tells_has_its_row, begin, end),
        cmocka_unit_test_setup_teardown(a_box_is_told_with_the_message_that_carried_it, begin, end),
        cmocka_unit_test_setup_teardown(a_clock_that_goes_back_is_another_run, begin, end),
        cmocka_unit_test_setup_teardown(names_and_texts_of_others_are_shown_and_never_obeyed, begin, end),
        cmocka_unit_test_setup_teardown(a_line_of_the_picture_is_as_wide_as_was_asked, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
