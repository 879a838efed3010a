# Asks yt-dlp what is behind a link. Run by cgi-bin/sluice-dlp.c, in a sandbox that opens no socket.
#
# Descriptor 0: questions and answers, each a length (4 bytes, big-endian) and JSON. Descriptor 3: where a
# connection is asked for ("host port") and given, one end of a pair whose other end is behind the fetch gate; or a
# line that says why not. So whatever runs in here reaches only what the gate lets it reach.
import os
import socket
import sys
import threading

ANSWER_MAX = 6 << 20
FORMATS_MAX = 256
PlainSocket = socket.socket
gate = PlainSocket(fileno=3)
gate_lock = threading.Lock()


def dial(host, port):
    if isinstance(host, bytes):
        host = host.decode("ascii")
    name = host.encode("idna").decode("ascii") if not host.isascii() else host
    with gate_lock:
        gate.sendall(f"{name} {int(port)}".encode())
        data, ancillary, _, _ = gate.recvmsg(512, socket.CMSG_SPACE(4))
    for _, _, payload in ancillary:
        return int.from_bytes(payload[:4], sys.byteorder)
    raise OSError(data.decode("utf-8", "replace") or "the gate is gone")


class GateSocket(PlainSocket):
    """A stream socket that is connected by asking the gate; until then one end of a pair that leads nowhere."""

    def __init__(self, family=-1, type=-1, proto=-1, fileno=None):
        if fileno is None:
            import _socket

            ours, theirs = _socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            theirs.close()
            fileno, family, type, proto = ours.detach(), socket.AF_UNIX, socket.SOCK_STREAM, 0
        super().__init__(family, type, proto, fileno)

    def connect(self, address):
        fd = dial(address[0], address[1])
        os.dup2(fd, self.fileno(), inheritable=False)
        os.close(fd)
        self.settimeout(self.gettimeout())  # a property of what is behind the descriptor

    def connect_ex(self, address):
        self.connect(address)
        return 0

    def setsockopt(self, *args):  # TCP_NODELAY and the like, which pairs do not have
        pass

    def bind(self, address):
        pass


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, int(port or 0)))]


socket.socket = GateSocket
socket.getaddrinfo = getaddrinfo
for name in ("curl_cffi", "requests", "urllib3", "websockets", "secretstorage"):
    sys.modules[name] = None  # other ways to the network, and to other programs' secrets

import json  # noqa: E402 (after the sockets, as ssl derives its own from them)
from http.cookiejar import Cookie  # noqa: E402


def load():
    path = os.environ.get("YTDLP_PATH")
    if path:
        sys.path.insert(0, path)
    import yt_dlp

    return yt_dlp


class Quiet:
    def __init__(self):
        self.said = ""

    def debug(self, text):
        pass

    warning = info = debug

    def error(self, text):
        self.said = str(text)


# What yt-dlp says, and what we call it; the first that fits.
reasons = (
    ("unsupported url", "unsupported_site"),
    ("no video formats found", "unsupported_site"),
    ("no media found", "unsupported_site"),
    ("unable to extract", "upstream_failed"),
    ("drm", "drm"),
    ("not a bot", "bot_check"),
    ("confirm your age", "age_restricted"),
    ("age-restricted", "age_restricted"),
    ("age restricted", "age_restricted"),
    ("members-only", "members_only"),
    ("join this channel", "members_only"),
    ("only available for registered", "private"),
    ("login required", "private"),
    ("is private", "private"),
    ("private video", "private"),
    ("logged in", "private"),
    ("not available in your", "geo_blocked"),
    ("available from your location", "geo_blocked"),
    ("geo restrict", "geo_blocked"),
    ("will begin in", "upcoming"),
    ("premieres in", "upcoming"),
    ("http error 404", "not_found"),
    ("http error 410", "not_found"),
    ("http error 429", "rate_limited_upstream"),
    ("requires payment", "paid"),
    ("has been removed", "not_found"),
    ("does not exist", "not_found"),
    ("video unavailable", "not_found"),
)


def code_of(error, text):
    names = {one.__name__ for one in type(error).__mro__}
    cause = (getattr(error, "exc_info", None) or (None, None))[1]
    if cause is not None:
        names |= {one.__name__ for one in type(cause).__mro__}
    if "UnsupportedError" in names:
        return "unsupported_site"
    if "GeoRestrictedError" in names:
        return "geo_blocked"
    lower = text.lower()
    return next((code for words, code in reasons if words in lower), "upstream_failed")


def is_known(ydl, url):
    """Whether yt-dlp has an extractor for this site, rather than one that tries its luck on any page."""
    for name, extractor in ydl._ies.items():
        if name != "Generic" and extractor.suitable(url):
            return True
    return False


def one_format(ydl, entry, given):
    url = entry.get("url")
    headers = dict(entry.get("http_headers") or {})
    jar = getattr(ydl.cookiejar, "get_cookie_header", None)
    cookie = headers.get("Cookie") or (jar(url) if jar and url else None)
    # Not what was lent: it is not for what is remembered, and our gate adds it to what it fetches.
    headers["Cookie"] = "; ".join(pair for pair in (cookie or "").split("; ") if pair not in given)
    if not headers["Cookie"]:
        del headers["Cookie"]
    keep = (
        "format_id url ext protocol vcodec acodec width height fps tbr vbr abr asr audio_channels language "
        "language_preference format_note manifest_url has_drm"
    ).split()
    row = {key: entry.get(key) for key in keep if entry.get(key) is not None}
    row["headers"] = {key: headers[key] for key in ("User-Agent", "Referer", "Origin", "Cookie", "Authorization") if key in headers}
    return row


def tracks(listed):
    rows = []
    for language, forms in list((listed or {}).items())[:100]:
        for form in forms or ():
            if form.get("ext") == "vtt" and form.get("url") and form.get("protocol", "https") in ("http", "https"):
                rows.append({"language": language, "url": form["url"], "name": form.get("name")})
                break
    return rows


def finite(value):
    """JSON has no infinity."""
    if isinstance(value, dict):
        return {str(key): finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(one) for one in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def summary(ydl, info, given):
    keep = "id title uploader channel artist duration thumbnail upload_date release_date is_live live_status extractor webpage_url".split()
    out = {key: info.get(key) for key in keep if info.get(key) is not None}
    if out.get("extractor") in ("generic", "html5"):  # it numbers what it finds, also where that is one
        out["title"] = str(out.get("title", "")).removesuffix(" (1)")
    listed = info.get("formats") or ([info] if info.get("url") else [])
    out["formats"] = [one_format(ydl, entry, given) for entry in listed[-FORMATS_MAX:] if isinstance(entry, dict)]
    out["subtitles"] = tracks(info.get("subtitles"))
    out["automatic"] = tracks(info.get("automatic_captions")) if len(info.get("automatic_captions") or {}) < 20 else []
    out["chapters"] = [
        {"start": one.get("start_time"), "title": one.get("title")} for one in (info.get("chapters") or [])[:500]
    ]
    return out


def lend_cookies(jar, lines):
    """The operator's cookies for the link's host, as lines of a file that browsers export."""
    given = set()
    for line in filter(None, (lines or "").split("\n")):
        domain, subdomains, path, secure, expires, name, value = line.split("\t")
        until = int(expires) or None
        jar.set_cookie(
            Cookie(0, name, value, None, False, domain, True, subdomains == "TRUE", path, True, secure == "TRUE", until, until is None, None, None, {})
        )
        given.add(f"{name}={value}")
    return given


def describe(yt_dlp, question):
    quiet = Quiet()
    params = {
        "quiet": True,
        "no_warnings": True,
        "logger": quiet,
        "noprogress": True,
        "skip_download": True,
        "simulate": True,
        "noplaylist": True,
        "playlist_items": "1",
        "cachedir": False,
        "usenetrc": False,
        "proxy": "",
        "format": "all",
        "socket_timeout": 15,
        "extractor_retries": 1,
        "compat_opts": {"no-certifi"},
        "check_formats": False,
        "allow_unplayable_formats": False,
    }
    try:
        with yt_dlp.YoutubeDL(params) as ydl:
            ydl.save_cookies = lambda: None
            given = lend_cookies(ydl.cookiejar, question.get("cookies"))
            url = question["url"]
            if not question.get("generic") and not is_known(ydl, url):
                return {"code": "unsupported_site", "text": "no extractor for this site"}
            info = ydl.extract_info(url, download=False)
            for _ in range(3):
                if not info or "entries" not in info:
                    break
                info = next((entry for entry in info["entries"] or () if entry), None)
            if not info:
                return {"code": "unsupported_site", "text": "nothing in it"}
            return {"code": "ok", "info": finite(summary(ydl, info, given))}
    except Exception as error:  # whatever an extractor throws is about this link
        text = quiet.said or str(error)
        return {"code": code_of(error, text), "text": text[:300]}


def read_exactly(stream, count):
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            os._exit(0)
        data += more
    return data


def main():
    stream = PlainSocket(fileno=0)
    try:
        yt_dlp = load()
    except Exception as error:
        yt_dlp, missing = None, str(error)
    while True:
        question = json.loads(read_exactly(stream, int.from_bytes(read_exactly(stream, 4), "big")))
        answer = describe(yt_dlp, question) if yt_dlp else {"code": "missing", "text": missing[:300]}
        data = json.dumps(answer).encode()
        if len(data) > ANSWER_MAX:
            data = b'{"code":"upstream_failed","text":"more than anybody reads"}'
        stream.sendall(len(data).to_bytes(4, "big") + data)


main()
