/* site/link: every form people paste, and every trick that must not pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/defs.h"
#include "site/link.h"

#define ID "dQw4w9WgXcQ"

struct form {
    const char *name;
    const char *text;
};

static const struct form videos[] = {
    {"watch", "https://www.youtube.com/watch?v=" ID},
    {"watch, http", "http://www.youtube.com/watch?v=" ID},
    {"watch, no www", "https://youtube.com/watch?v=" ID},
    {"watch, slash before the query", "https://www.youtube.com/watch/?v=" ID},
    {"v last", "https://www.youtube.com/watch?list=PL1&index=2&v=" ID},
    {"v in the middle", "https://www.youtube.com/watch?app=desktop&v=" ID "&t=30s"},
    {"first valid v counts", "https://www.youtube.com/watch?v=short&v=" ID "&v=aaaaaaaaaaa"},
    {"encoded id", "https://www.youtube.com/watch?v=%64Qw4w9WgXcQ"},
    {"copied out of HTML", "https://www.youtube.com/watch?feature=share&amp;v=" ID "&amp;t=1"},
    {"id with - and _ is left alone", "https://youtu.be/" ID "?si=-_"},
    {"short host", "https://youtu.be/" ID},
    {"short host, http", "http://youtu.be/" ID},
    {"short host, www", "https://www.youtu.be/" ID},
    {"short host, tracking", "https://youtu.be/" ID "?si=AbCdEf0123456789&t=42"},
    {"short host, slash", "https://youtu.be/" ID "/"},
    {"short host, & for ?", "https://youtu.be/" ID "&feature=share"},
    {"short host, watch", "https://youtu.be/watch?v=" ID},
    {"shorts", "https://www.youtube.com/shorts/" ID},
    {"shorts, tracking", "https://youtube.com/shorts/" ID "?feature=share"},
    {"live", "https://www.youtube.com/live/" ID "?si=x"},
    {"embed", "https://www.youtube.com/embed/" ID},
    {"embed, options", "https://www.youtube.com/embed/" ID "?autoplay=1&rel=0"},
    {"v path", "https://www.youtube.com/v/" ID},
    {"v path, old options", "https://www.youtube.com/v/" ID "&hl=en_US&fs=1"},
    {"e path", "https://www.youtube.com/e/" ID},
    {"watch path", "https://www.youtube.com/watch/" ID},
    {"doubled slash", "https://www.youtube.com//watch?v=" ID},
    {"root with v", "https://www.youtube.com/?v=" ID},
    {"watch_popup", "https://www.youtube.com/watch_popup?v=" ID},
    {"movie", "https://www.youtube.com/movie?v=" ID},
    {"mobile", "https://m.youtube.com/watch?v=" ID "&pp=ygUE"},
    {"music", "https://music.youtube.com/watch?v=" ID "&list=RDAMVM"},
    {"gaming", "https://gaming.youtube.com/watch?v=" ID},
    {"nocookie", "https://www.youtube-nocookie.com/embed/" ID},
    {"nocookie, no www", "https://youtube-nocookie.com/embed/" ID "?start=3"},
    {"kids", "https://www.youtubekids.com/watch?v=" ID},
    {"googleapis", "http://youtube.googleapis.com/v/" ID},
    {"no scheme", "youtube.com/watch?v=" ID},
    {"no scheme, www", "www.youtube.com/watch?v=" ID},
    {"no scheme, short host", "youtu.be/" ID},
    {"no scheme, mobile", "m.youtube.com/shorts/" ID},
    {"bare id", ID},
    {"bare id, white space", " \t\r\n" ID " \n"},
    {"white space", "  https://youtu.be/" ID "\r\n"},
    {"upper-case scheme and host", "HTTPS://WWW.YouTube.COM/watch?v=" ID},
    {"upper-case short host", "YOUTU.BE/" ID},
    {"port 443", "https://www.youtube.com:443/watch?v=" ID},
    {"port 80", "http://www.youtube.com:80/watch?v=" ID},
    {"dot after the host", "https://www.youtube.com./watch?v=" ID},
    {"fragment", "https://www.youtube.com/watch?v=" ID "#t=10"},
    {"fragment after a path", "https://youtu.be/" ID "#comments"},
    {"attribution_link",
     "https://www.youtube.com/attribution_link?a=x&u=%2Fwatch%3Fv%3D" ID "%26feature%3Dshare"},
    {"attribution_link, not encoded", "https://www.youtube.com/attribution_link?u=/watch?v=" ID "&a=x"},
    {"attribution_link, absolute", "http://www.youtube.com/attribution_link?u=https%3A%2F%2Fyoutu.be%2F" ID},
    {"oembed",
     "https://www.youtube.com/oembed?url=https%3A%2F%2Fwww.youtube.com%2Fwatch%3Fv%3D" ID "&format=json"},
    {"redirect to a video",
     "https://www.youtube.com/redirect?event=x&q=https%3A%2F%2Fwww.youtube.com%2Fwatch%3Fv%3D" ID},
    {"sign-in", "https://www.youtube.com/signin?next=%2Fwatch%3Fv%3D" ID},
    {"consent", "https://consent.youtube.com/m?continue=https%3A%2F%2Fwww.youtube.com%2Fwatch%3Fv%3D" ID
                "%26cbrd%3D1&gl=DE"},
    {"consent around a redirect", "https://consent.youtube.com/m?continue=https%3A%2F%2Fwww.youtube.com"
                                  "%2Fredirect%3Fq%3Dhttps%253A%252F%252Fyoutu.be%252F" ID},
};

static const struct form others[] = {
    {"root", "https://www.youtube.com/"},
    {"no path", "youtube.com"},
    {"short host alone", "https://youtu.be"},
    {"short host, long id", "https://youtu.be/" ID "x"},
    {"watch without v", "https://www.youtube.com/watch"},
    {"watch with a short v", "https://www.youtube.com/watch?v=abc"},
    {"watch with a long v", "https://www.youtube.com/watch?v=" ID "x"},
    {"watch with an odd v", "https://www.youtube.com/watch?v=dQw4w9WgXc%0a"},
    {"watch with a bad escape", "https://www.youtube.com/watch?v=dQw4w9WgXc%2"},
    {"v in the fragment", "https://www.youtube.com/watch#v=" ID},
    {"playlist", "https://www.youtube.com/playlist?list=PLrAXtmErZgOeiKm4sgNOknGvNjby9efdf"},
    {"embedded playlist", "https://www.youtube.com/embed/videoseries?list=PL1"},
    {"embedded live channel", "https://www.youtube.com/embed/live_stream?channel=UC1"},
    {"handle", "https://www.youtube.com/@handle"},
    {"channel", "https://www.youtube.com/channel/UCuAXFkgsw1L7xaCfnd5JJOw"},
    {"clip", "https://www.youtube.com/clip/UgkxAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
    {"search", "https://www.youtube.com/results?search_query=" ID},
    {"studio", "https://studio.youtube.com/video/" ID "/edit"},
    {"redirect elsewhere", "https://www.youtube.com/redirect?q=https%3A%2F%2Fevil.example%2Fa.mp4"},
    {"redirect to another host by two slashes",
     "https://www.youtube.com/redirect?q=%2F%2Fevil.example%2Fwatch%3Fv%3D" ID},
    {"redirect to user info",
     "https://www.youtube.com/redirect?q=https%3A%2F%2Fyoutube.com%40evil.example%2Fwatch%3Fv%3D" ID},
    {"redirect to a bare id", "https://www.youtube.com/redirect?q=" ID},
    {"redirect in a redirect, too deep",
     "https://youtube.com/redirect?q=/redirect%3Fq%3D/redirect%253Fq%253D/redirect%25253Fq%25253D/watch"},
};

static const struct form bad[] = {
    {"nothing", ""},
    {"white space only", " \t\r\n"},
    {"a word", "hello"},
    {"ten characters", "dQw4w9WgXc"},
    {"twelve characters", ID "Q"},
    {"a file name", "film.mp4"},
    {"an option", "--batch-file=/etc/passwd"},
    {"a path", "/etc/passwd"},
    {"a path upwards", "../../etc/passwd"},
    {"scheme only", "https://"},
    {"no host", "https:///watch?v=" ID},
    {"one slash", "https:/www.youtube.com/watch?v=" ID},
    {"no scheme, two slashes", "//youtube.com/watch?v=" ID},
    {"javascript", "javascript:alert(1)"},
    {"javascript with a host", "javascript://www.youtube.com/%0aalert(1)"},
    {"file", "file:///etc/passwd"},
    {"data", "data:text/html,x"},
    {"ftp", "ftp://example.org/a.mp4"},
    {"gopher", "gopher://example.org/a"},
    {"view-source", "view-source:https://www.youtube.com/watch?v=" ID},
    {"app scheme", "vnd.youtube:" ID},
    {"user info", "https://user@www.youtube.com/watch?v=" ID},
    {"user and password", "https://user:pass@example.org/a.mp4"},
    {"the site as user", "https://youtube.com@evil.example/watch?v=" ID},
    {"the site as user with port", "https://www.youtube.com:443@evil.example/watch?v=" ID},
    {"the site as user, empty password", "https://www.youtube.com:@evil.example/"},
    {"two at signs", "https://a@b@www.youtube.com/watch?v=" ID},
    {"the site as label", "https://youtube.com.evil.example/watch?v=" ID},
    {"the site as label, www", "https://www.youtube.com.evil.example/watch?v=" ID},
    {"the site as suffix", "https://evilyoutube.com/watch?v=" ID},
    {"the site as suffix with hyphen", "https://evil-youtube.com/watch?v=" ID},
    {"short host as label", "https://youtu.be.evil.example/" ID},
    {"short host as suffix", "https://notyoutu.be/" ID},
    {"nocookie as label", "https://www.youtube-nocookie.com.evil.example/embed/" ID},
    {"encoded dot in the host", "https://www.youtube.com%2eevil.example/watch?v=" ID},
    {"encoded slash in the host", "https://evil.example%2f.youtube.com/watch?v=" ID},
    {"backslash before at", "https://www.youtube.com\\@evil.example/watch?v=" ID},
    {"backslash as slash", "https:\\\\www.youtube.com\\watch?v=" ID},
    {"backslash in a path", "https://example.org/a\\b.mp4"},
    {"wide characters", "https://www.y\xef\xbd\x8futube.com/watch?v=" ID},
    {"wide dot", "https://www.youtube\xe3\x80\x82"
                 "com/watch?v=" ID},
    {"host that is not ASCII", "https://m\xc3\xbcnchen.example/a.mp4"},
    {"other port on the site", "https://www.youtube.com:8443/watch?v=" ID},
    {"space in a host", "https://www.you tube.com/watch?v=" ID},
    {"space in a path", "https://example.org/a b.mp4"},
    {"tab inside", "https://www.youtube.com/watch\t?v=" ID},
    {"line feed inside", "https://example.org/a.mp4\nHost: x"},
    {"CR LF inside", "https://www.youtube.com/watch?v=" ID "\r\nX: y"},
    {"delete character", "https://example.org/\x7f.mp4"},
    {"empty port", "https://example.org:/a.mp4"},
    {"port 0", "https://example.org:0/a.mp4"},
    {"port too large", "https://example.org:65536/a.mp4"},
    {"port of six digits", "https://example.org:000443/a.mp4"},
    {"port with sign", "https://example.org:+443/a.mp4"},
    {"localhost", "http://localhost/a.mp4"},
    {"localhost with port", "localhost:8080/a.mp4"},
    {"localhost with dot", "http://localhost./a.mp4"},
    {"host without dot", "http://intranet/a.mp4"},
    {"empty label", "https://example..org/a.mp4"},
    {"leading dot", "https://.example.org/a.mp4"},
    {"two dots at the end", "https://example.org../a.mp4"},
    {"only a dot", "https://./a.mp4"},
    {"label begins with hyphen", "https://-o.example.org/a.mp4"},
    {"label ends with hyphen", "https://a-.example.org/a.mp4"},
    {"label of 64", "https://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example/a.mp4"},
    {"quote in a host", "https://exam\"ple.org/a.mp4"},
    {"address as one number", "http://2130706433/a.mp4"},
    {"address in hex", "http://0x7f000001/a.mp4"},
    {"address in hex parts", "http://0x7f.0.0.1/a.mp4"},
    {"last part in hex", "http://127.0.0.0x1/a.mp4"},
    {"address in octal", "http://0177.0.0.1/a.mp4"},
    {"address of two parts", "http://127.1/a.mp4"},
    {"address of three parts", "http://127.0.1/a.mp4"},
    {"address of five parts", "http://1.2.3.4.5/a.mp4"},
    {"address part over 255", "http://256.1.1.1/a.mp4"},
    {"name that ends in a number", "http://example.1/a.mp4"},
    {"address, unclosed bracket", "http://[::1/a.mp4"},
    {"address, bracket and more", "http://[::1]x/a.mp4"},
    {"address with zone", "http://[fe80::1%25eth0]/a.mp4"},
    {"address, empty brackets", "http://[]/a.mp4"},
    {"address without brackets", "http://::1/a.mp4"},
};

/* Direct links and what they are normalised to. Addresses are refused by the gate, not here. */
static const struct {
    const char *name, *text, *url;
} direct[] = {
    {"plain", "https://example.org/a.mp4", "https://example.org/a.mp4"},
    {"http stays http", "http://example.org/a.mp4", "http://example.org/a.mp4"},
    {"query", "https://example.org/a.mp4?x=1&y=2", "https://example.org/a.mp4?x=1&y=2"},
    {"empty query", "https://example.org/a.mp4?", "https://example.org/a.mp4"},
    {"fragment goes", "https://example.org/a.mp4#t=1", "https://example.org/a.mp4"},
    {"root", "https://example.org", "https://example.org/"},
    {"query without path", "https://example.org?f=a.mp4", "https://example.org/?f=a.mp4"},
    {"no scheme", "example.org/a.mp4", "https://example.org/a.mp4"},
    {"upper case", "HTTP://EXAMPLE.Org/A.MP4", "http://example.org/A.MP4"},
    {"default port", "https://example.org:443/a.mp4", "https://example.org/a.mp4"},
    {"default port, http", "http://example.org:80/a.mp4", "http://example.org/a.mp4"},
    {"other port", "http://example.org:8080/a.mp4", "http://example.org:8080/a.mp4"},
    {"crossed port", "http://example.org:443/a.mp4", "http://example.org:443/a.mp4"},
    {"largest port", "http://example.org:65535/", "http://example.org:65535/"},
    {"dot after the host", "https://example.org./a.mp4", "https://example.org/a.mp4"},
    {"underscore", "https://my_bucket.example.org/a", "https://my_bucket.example.org/a"},
    {"at sign in a path", "https://example.org/@a/b.mp4", "https://example.org/@a/b.mp4"},
    {"at sign in a query", "https://example.org/?a@b", "https://example.org/?a@b"},
    {"colon in a path", "https://example.org/a:b.mp4", "https://example.org/a:b.mp4"},
    {"escapes stay", "https://example.org/a%20b%2F.mp4", "https://example.org/a%20b%2F.mp4"},
    {"other scripts", "https://example.org/\xc3\xbc.mp4", "https://example.org/%C3%BC.mp4"},
    {"odd characters", "https://example.org/<\"a|b\">?{^`}",
     "https://example.org/%3C%22a%7Cb%22%3E?%7B%5E%60%7D"},
    {"punycode", "https://xn--mnchen-3ya.example/a", "https://xn--mnchen-3ya.example/a"},
    {"v4 address", "http://93.184.216.34/a.mp4", "http://93.184.216.34/a.mp4"},
    {"loopback is the gate's to refuse", "http://127.0.0.1/a.mp4", "http://127.0.0.1/a.mp4"},
    {"v6 address", "http://[2001:DB8::1]:8080/a", "http://[2001:db8::1]:8080/a"},
    {"mapped address is the gate's", "http://[::ffff:127.0.0.1]/a", "http://[::ffff:127.0.0.1]/a"},
    {"number first", "https://1.example.org/a", "https://1.example.org/a"},
    {"site in a path", "https://example.org/youtube.com/watch?v=" ID,
     "https://example.org/youtube.com/watch?v=" ID},
    {"site in a fragment", "https://example.org/#@www.youtube.com/watch?v=" ID, "https://example.org/"},
    {"media host", "https://rr1---sn-25ge7nzk.googlevideo.com/v?a=1",
     "https://rr1---sn-25ge7nzk.googlevideo.com/v?a=1"},
};

static struct link link;

static enum link_kind parse(const char *text)
{
    /* A copy of exactly the length, so that the sanitizer sees a read past the end. */
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    enum link_kind kind = link_parse(&link, copy, len);
    free(copy);
    assert_int_equal(kind, link.kind);
    return kind;
}

static void expect(const char *name, const char *text, enum link_kind kind)
{
    if (parse(text) != kind)
        fail_msg("%s: \"%s\" is of kind %d, not %d", name, text, link.kind, kind);
}

static void every_video_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(videos); i++) {
        expect(videos[i].name, videos[i].text, LINK_YOUTUBE_VIDEO);
        assert_string_equal(link.id, ID);
        assert_string_equal(link.url, "https://www.youtube.com/watch?v=" ID);
    }
    expect("id that begins with a hyphen", "-_aB3-_aB3-", LINK_YOUTUBE_VIDEO);
    assert_string_equal(link.id, "-_aB3-_aB3-");
}

static void pages_without_video(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        expect(others[i].name, others[i].text, LINK_YOUTUBE_OTHER);
        assert_string_equal(link.id, "");
        assert_non_null(strstr(link.url, "you"));
    }
}

static void refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        expect(bad[i].name, bad[i].text, LINK_BAD);
        assert_string_equal(link.id, "");
        assert_string_equal(link.url, "");
    }
    assert_int_equal(link_parse(&link, "https://example.org/\0.mp4", 25), LINK_BAD);
}

static void direct_links(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(direct); i++) {
        expect(direct[i].name, direct[i].text, LINK_DIRECT);
        assert_string_equal(link.url, direct[i].url);
        assert_string_equal(link.id, "");
    }
}

/* What a page shows as canonical must lead to the same thing when it is pasted again. */
static void canonical_links_are_stable(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(direct); i++) {
        char url[sizeof link.url];
        (void)parse(direct[i].text);
        memcpy(url, link.url, sizeof url);
        expect(direct[i].name, url, LINK_DIRECT);
        assert_string_equal(link.url, url);
    }
}

static void lengths(void **state)
{
    (void)state;
    static char text[16 * 1024];
    memset(text, 'a', sizeof text - 1);
    memcpy(text, "https://example.org/", 20);
    assert_int_equal(link_parse(&link, text, LINK_MAX_BYTES), LINK_DIRECT);
    assert_int_equal(strlen(link.url), LINK_MAX_BYTES);
    assert_int_equal(link_parse(&link, text, LINK_MAX_BYTES + 1), LINK_BAD);
    assert_int_equal(link_parse(&link, text, 10 * 1024), LINK_BAD);
    /* Percent-encoding may make a link outgrow its place. */
    memset(text + 20, 0xc3, sizeof text - 21);
    assert_int_equal(link_parse(&link, text, 1024), LINK_DIRECT);
    assert_int_equal(link_parse(&link, text, 2048), LINK_BAD);
    assert_string_equal(link.url, "");
    /* A host of 253 characters is the longest there is. */
    for (size_t i = 8; i < 600; i++)
        text[i] = i % 8 == 7 ? '.' : 'a';
    assert_int_equal(link_parse(&link, text, 8 + 253), LINK_DIRECT);
    assert_int_equal(link_parse(&link, text, 8 + 254), LINK_BAD);
    /* White space around does not count. */
    memset(text, ' ', sizeof text);
    memcpy(text + 8000, ID, 11);
    assert_int_equal(link_parse(&link, text, sizeof text), LINK_YOUTUBE_VIDEO);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_video_form),
        cmocka_unit_test(pages_without_video),
        cmocka_unit_test(refused),
        cmocka_unit_test(direct_links),
        cmocka_unit_test(canonical_links_are_stable),
        cmocka_unit_test(lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
