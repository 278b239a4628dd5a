"""A camera that this project did not write: GStreamer's RTSP server with one H.264, H.265 or Motion JPEG mount.

Prints one line of JSON, {"port": N}, once it accepts connections, and ends on SIGTERM or when its standard input
closes, so that it never outlives the test that started it. A line `stall` on standard input makes the picture
stand still without closing any connection (the pipeline is paused); `resume` lets it go on.

With --untouched the pictures of a Matroska clip are sent as they are coded there, which costs next to nothing.

With --stamped every picture carries the time at which it was taken, as cells across its top that are black (0) or
white (1): 40 bits of epoch milliseconds and 8 bits of checksum, the sum of the five bytes; see picture-stamp.ts.
"""
import argparse
import json
import random
import signal
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402


STAMP_BITS = 48
STAMP_ROWS = 16
BLACK, WHITE, GREY = 16, 235, 128


class StampedPictures:
    """Takes pictures at an even pace and pushes them into an appsrc: a coarse noise that slides by, and the time."""

    def __init__(self, options):
        self.width, self.height, self.fps = options.width, options.height, options.fps
        self.chroma = bytes([GREY]) * (self.width * self.height // 2)
        chance = random.Random(1)
        # Blocks of 8 x 8, wide enough to slide by one picture's width.
        blocks = [[chance.randrange(60, 180) for _ in range(self.width // 4)] for _ in range(self.height // 8 + 1)]
        self.rows = [b"".join(bytes([grey]) * 8 for grey in row) for row in blocks]

    def picture(self, number):
        shift = 2 * number % self.width
        lines = [self.rows[y // 8][shift : shift + self.width] for y in range(STAMP_ROWS, self.height)]
        # Last, so that the time is that of the finished picture.
        strip = self.stamp(int(time.time() * 1000)) * STAMP_ROWS
        return b"".join([strip, *lines, self.chroma])

    def stamp(self, epoch_ms):
        body = (epoch_ms % 2**40).to_bytes(5, "big")
        bits = int.from_bytes(body + bytes([sum(body) % 256]), "big")
        cell = self.width // STAMP_BITS
        cells = (WHITE if bits >> (STAMP_BITS - 1 - index) & 1 else BLACK for index in range(STAMP_BITS))
        return b"".join(bytes([grey]) * cell for grey in cells).ljust(self.width, bytes([GREY]))

    def start(self, media):
        source = media.get_element().get_by_name("stamped")
        ended = threading.Event()
        media.connect("unprepared", lambda _media: ended.set())
        threading.Thread(target=self.push, args=(source, ended), daemon=True).start()

    def push(self, source, ended):
        began = time.monotonic()
        number = 0
        while not ended.wait(max(0.0, began + number / self.fps - time.monotonic())):
            source.emit("push-buffer", Gst.Buffer.new_wrapped(self.picture(number)))
            number += 1


def launch_line(options):
    if options.untouched:
        parser, payloader = ("h265parse", "rtph265pay") if options.codec == "h265" else ("h264parse", "rtph264pay")
        source = f"filesrc location={options.clip} ! matroskademux ! {parser}"
        return f"( {source} ! {payloader} name=pay0 pt=96 config-interval=-1 )"
    if options.stamped:
        source = "appsrc name=stamped is-live=true do-timestamp=true format=time max-buffers=2 leaky-type=downstream"
    elif options.clip:
        # A clip is demuxed and re-encoded live, at its own pace; it ends with its last frame.
        source = f"filesrc location={options.clip} ! decodebin ! videoconvert ! videoscale ! videorate"
    else:
        source = f"videotestsrc is-live=true pattern={options.pattern}"
    caps = (
        f"video/x-raw,format=I420,width={options.width},height={options.height},"
        f"framerate={options.fps}/1"
    )
    clock = "! timeoverlay font-desc=Mono,24 " if options.clock else ""
    if options.codec == "mjpeg":
        encoder = "jpegenc ! rtpjpegpay"
    elif options.codec == "h265":
        encoder = f"x265enc tune=zerolatency speed-preset=ultrafast key-int-max={options.gop} ! h265parse ! rtph265pay"
    else:
        # Reordered pictures need a preset and a profile that allow them; without them nothing waits in the encoder.
        tuning = (
            f"speed-preset=veryfast bframes={options.bframes} b-adapt=false ! video/x-h264,profile=main"
            if options.bframes
            else "speed-preset=ultrafast tune=zerolatency"
        )
        encoder = f"x264enc bitrate={options.bitrate} key-int-max={options.gop} {tuning} ! h264parse ! rtph264pay"
    payload = "pt=26" if options.codec == "mjpeg" else "pt=96 config-interval=1"
    return f"( {source} ! {caps} {clock}! {encoder} name=pay0 {payload} )"


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", default="0")
    arguments.add_argument("--path", default="/cam")
    arguments.add_argument("--clip")
    arguments.add_argument("--pattern", default="ball")
    arguments.add_argument("--codec", choices=["h264", "h265", "mjpeg"], default="h264")
    arguments.add_argument("--width", type=int, default=640)
    arguments.add_argument("--height", type=int, default=360)
    arguments.add_argument("--fps", type=int, default=10)
    arguments.add_argument("--gop", type=int, default=10)
    arguments.add_argument("--bframes", type=int, default=0)
    arguments.add_argument("--bitrate", type=int, default=1500)
    arguments.add_argument("--clock", action="store_true")
    arguments.add_argument("--untouched", action="store_true")
    arguments.add_argument("--stamped", action="store_true")
    arguments.add_argument("--user")
    arguments.add_argument("--password")
    options = arguments.parse_args()

    Gst.init(None)
    loop = GLib.MainLoop()
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)

    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(launch_line(options))
    factory.set_shared(True)
    medias = []
    factory.connect("media-configure", lambda _factory, media: medias.append(media))
    if options.stamped:
        pictures = StampedPictures(options)
        factory.connect("media-configure", lambda _factory, media: pictures.start(media))
    if options.user:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(options.user, options.password, token)
        server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("viewer", "media.factory.access", True)
        permissions.add_permission_for_role("viewer", "media.factory.construct", True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory(options.path, factory)

    if server.attach(None) == 0:
        sys.exit(f"cannot listen on port {options.port}")
    print(json.dumps({"port": server.get_bound_port()}), flush=True)

    def set_state(state):
        for media in medias:
            media.get_element().set_state(state)

    def read_commands():
        for line in sys.stdin:
            if line.strip() == "stall":
                GLib.idle_add(set_state, Gst.State.PAUSED)
            elif line.strip() == "resume":
                GLib.idle_add(set_state, Gst.State.PLAYING)
        GLib.idle_add(loop.quit)

    threading.Thread(target=read_commands, daemon=True).start()
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGTERM, loop.quit)
    loop.run()


main()
