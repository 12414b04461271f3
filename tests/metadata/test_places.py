"""Places, sizes and pointers in EXIF, XMP, IPTC and Photoshop's resources, turned and scaled."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess

import pytest
from carried_files import (
    HEIGHT,
    WIDTH,
    carried,
    exif_segment,
    jpeg,
    resource,
    segment,
    upscaled,
    xmp_packet,
    xmp_segment,
)
from picture_files import exif_block, exif_values

from superres.metadata.geometry import EFFECTS, PLACES, Change
from superres.metadata.iptc import fit_iptc
from superres.metadata.photoshop import read_resources, settle_resources
from superres.metadata.xmp import fit_xmp, settle_xmp
from superres.metadata.xmp_tree import parse

REGIONS = {
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "stArea": "http://ns.adobe.com/xmp/sType/Area#",
    "stDim": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
}
MICROSOFT = {
    "MP": "http://ns.microsoft.com/photo/1.2/",
    "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
}
IPTC_EXTENSION = {"Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"}
CAMERA_RAW = {"crs": "http://ns.adobe.com/camera-raw-settings/1.0/"}
PANORAMA = {"GPano": "http://ns.google.com/photos/1.0/panorama/"}
GOOGLE = {
    "GCamera": "http://ns.google.com/photos/1.0/camera/",
    "Container": "http://ns.google.com/photos/1.0/container/",
    "Item": "http://ns.google.com/photos/1.0/container/item/",
    "hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
}
# Where a point at (0.8125, 0.25) of the stored picture is seen, by orientation.
SEEN = {
    1: (0.8125, 0.25), 2: (0.1875, 0.25), 3: (0.1875, 0.75), 4: (0.8125, 0.75),
    5: (0.25, 0.8125), 6: (0.75, 0.8125), 7: (0.75, 0.1875), 8: (0.25, 0.1875),
}  # fmt: skip


def face(applied=(WIDTH, HEIGHT)):
    """One face, as exiftool writes it."""
    return (
        '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:AppliedToDimensions '
        f'rdf:parseType="Resource"><stDim:h>{applied[1]}</stDim:h><stDim:unit>pixel</stDim:unit>'
        f"<stDim:w>{applied[0]}</stDim:w></mwg-rs:AppliedToDimensions><mwg-rs:RegionList><rdf:Bag>"
        '<rdf:li rdf:parseType="Resource"><mwg-rs:Area rdf:parseType="Resource">'
        "<stArea:h>.19</stArea:h><stArea:unit>normalized</stArea:unit><stArea:w>.16</stArea:w>"
        "<stArea:x>.8125</stArea:x><stArea:y>.25</stArea:y></mwg-rs:Area>"
        "<mwg-rs:Name>Anna</mwg-rs:Name></rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
    )


def face_in_attributes():
    """The same face, as Adobe writes it."""
    return (
        f"<mwg-rs:Regions><rdf:Description><mwg-rs:AppliedToDimensions stDim:w='{WIDTH}' "
        f"stDim:h='{HEIGHT}' stDim:unit='pixel'/><mwg-rs:RegionList><rdf:Bag><rdf:li>"
        "<rdf:Description mwg-rs:Name='Anna'><mwg-rs:Area stArea:x='0.8125' stArea:y='0.25' "
        "stArea:w='0.16' stArea:h='0.19' stArea:unit='normalized'/></rdf:Description></rdf:li>"
        "</rdf:Bag></mwg-rs:RegionList></rdf:Description></mwg-rs:Regions>"
    )


def turned(packet, orientation, size=(HEIGHT, WIDTH)):
    after = size[::-1] if orientation > 4 else size
    settled = settle_xmp(packet, Change(size, after, orientation))
    assert settled is not None
    assert parse(settled) is not None, "well-formed"
    return settled.decode()


def number(text, name):
    found = re.search(rf"{name}(?:>|=[\"'])\s*([-\d./]+)", text)
    assert found is not None, name
    return float(found[1])


def area(text):
    return tuple(number(text, f"stArea:{part}") for part in "xywh")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("inner", [face(), face_in_attributes()])
def test_faces_lie_where_they_are_seen(inner, orientation):
    text = turned(xmp_packet(REGIONS, inner=inner), orientation)
    size = (0.19, 0.16) if orientation > 4 else (0.16, 0.19)
    assert area(text) == pytest.approx((*SEEN[orientation], *size))
    applied = number(text, "stDim:w"), number(text, "stDim:h")
    assert applied == ((HEIGHT, WIDTH) if orientation > 4 else (WIDTH, HEIGHT))


def test_faces_that_were_drawn_on_the_upright_picture_stay():
    text = turned(xmp_packet(REGIONS, inner=face((HEIGHT, WIDTH))), 6)
    assert area(text) == pytest.approx((0.8125, 0.25, 0.16, 0.19))


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "avif"])
def test_faces_of_a_turned_photo_lie_right_in_each_format(kind):
    photo = jpeg(
        exif_segment(exif_block({0x0112: (3, 6)})),
        xmp_segment(xmp_packet(REGIONS, inner=face())),
    )
    data, notes = upscaled(photo, kind)
    assert notes == ()
    text = carried(data).xmp.decode()
    assert area(text) == pytest.approx((0.75, 0.8125, 0.19, 0.16))
    assert (number(text, "stDim:w"), number(text, "stDim:h")) == (2 * HEIGHT, 2 * WIDTH)


def test_other_prefixes_of_a_namespace_are_the_same_names():
    packet = xmp_packet(REGIONS, inner=face()).replace(b"mwg-rs", b"r").replace(b"stArea", b"a")
    text = turned(packet, 6)
    assert (number(text, "a:x"), number(text, "a:y")) == (0.75, 0.8125)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_rectangles_of_microsoft_s_faces_turn_about_their_corner(orientation):
    packet = xmp_packet(MICROSOFT, 'MPReg:Rectangle="0.7325, 0.155, 0.16, 0.19"')
    text = turned(packet, orientation)
    found = re.search(r'Rectangle="([^"]*)"', text)
    assert found is not None
    left, top, width, height = (float(part) for part in found[1].split(","))
    assert (left + width / 2, top + height / 2) == pytest.approx(SEEN[orientation])
    assert (width, height) == pytest.approx((0.19, 0.16) if orientation > 4 else (0.16, 0.19))


def boundary(inner):
    return xmp_packet(
        IPTC_EXTENSION,
        inner='<Iptc4xmpExt:RegionBoundary rdf:parseType="Resource">'
        f"{inner}</Iptc4xmpExt:RegionBoundary>",
    )


def rb(**values):
    return "".join(f"<Iptc4xmpExt:rb{k}>{v}</Iptc4xmpExt:rb{k}>" for k, v in values.items())


def test_regions_of_iptc_turn_and_circles_keep_their_size():
    text = turned(boundary(rb(Shape="rectangle", Unit="relative", X=0.7, Y=0.1, W=0.2, H=0.3)), 6)
    found = [number(text, f"Iptc4xmpExt:rb{part}") for part in "XYWH"]
    assert found == pytest.approx([0.6, 0.7, 0.3, 0.2])
    text = turned(boundary(rb(Shape="circle", Unit="relative", X=0.8125, Y=0.25, Rx=0.1)), 8)
    assert number(text, "Iptc4xmpExt:rbX") == pytest.approx(0.25)
    assert number(text, "Iptc4xmpExt:rbRx") * HEIGHT == pytest.approx(0.1 * WIDTH)


def test_regions_of_iptc_in_pixels_and_polygons_turn_and_scale():
    vertices = "".join(
        f'<rdf:li rdf:parseType="Resource">{rb(X=x, Y=y)}</rdf:li>' for x, y in ((0, 0), (96, 16))
    )
    inner = rb(Shape="polygon", Unit="pixel")
    inner += f"<Iptc4xmpExt:rbVertices><rdf:Seq>{vertices}</rdf:Seq></Iptc4xmpExt:rbVertices>"
    text = turned(boundary(inner), 6)
    found = re.findall(r"rb[XY]>([\d.]+)<", text)
    assert [float(one) for one in found] == [64, 0, 48, 96]
    large = fit_xmp(text.encode(), height=192, width=128, before=(96, 64)).decode()
    assert [float(one) for one in re.findall(r"rb[XY]>([\d.]+)<", large)] == [128, 0, 96, 192]


def crop(**more):
    values = {"CropLeft": 0.1, "CropTop": 0.2, "CropRight": 0.5, "CropBottom": 0.9} | more
    return xmp_packet(CAMERA_RAW, " ".join(f'crs:{k}="{v}"' for k, v in values.items()))


def test_a_crop_turns_unless_it_was_applied_already():
    text = turned(crop(CropAngle="2.5"), 6)
    sides = [number(text, f"crs:Crop{side}") for side in ("Left", "Top", "Right", "Bottom")]
    assert sides == pytest.approx([0.1, 0.1, 0.8, 0.5])
    assert number(text, "crs:CropAngle") == 2.5
    assert number(turned(crop(CropAngle="2.5"), 2), "crs:CropAngle") == -2.5
    assert number(turned(crop(AlreadyApplied="True"), 6), "crs:CropLeft") == 0.1


def test_masks_are_removed_from_turned_pictures_alone_and_that_is_said():
    packet = xmp_packet(
        CAMERA_RAW, inner="<crs:RetouchInfo><rdf:Seq><rdf:li>x</rdf:li></rdf:Seq></crs:RetouchInfo>"
    )
    assert "RetouchInfo" in turned(packet, 1)
    assert "RetouchInfo" not in turned(packet, 6)
    photo = jpeg(exif_segment(exif_block({0x0112: (3, 6)})), xmp_segment(packet))
    assert upscaled(photo, "jpeg")[1] == ("XMP's crs:RetouchInfo not kept: the picture was turned",)


def test_a_panorama_s_pixels_scale():
    packet = xmp_packet(
        PANORAMA,
        'GPano:FullPanoWidthPixels="200" GPano:CroppedAreaTopPixels="7" '
        'GPano:CroppedAreaImageHeightPixels="64" GPano:ProjectionType="equirectangular" '
        'GPano:InitialHorizontalFOVDegrees="70"',
    )
    text = fit_xmp(packet, height=256, width=192, before=(64, 96)).decode()
    assert number(text, "GPano:FullPanoWidthPixels") == 400
    assert number(text, "GPano:CroppedAreaTopPixels") == 28
    assert number(text, "GPano:CroppedAreaImageHeightPixels") == 256
    assert number(text, "GPano:InitialHorizontalFOVDegrees") == 70


def test_pointers_to_what_is_not_kept_are_gone_and_their_neighbours_are_not():
    inner = (
        "<Container:Directory><rdf:Seq><rdf:li rdf:parseType='Resource'>"
        "<Container:Item Item:Mime='video/mp4' Item:Length='5012'/></rdf:li></rdf:Seq>"
        "</Container:Directory><GCamera:MicroVideoOffset>5024</GCamera:MicroVideoOffset>"
    )
    attributes = 'GCamera:MotionPhoto="1" hdrgm:Version="1.0" xmpNote:HasExtendedXMP="AB" '
    packet = xmp_packet(GOOGLE, attributes + 'GCamera:BurstID="7"', inner)
    for text in (turned(packet, 1), turned(packet, 6)):
        for word in ("MotionPhoto", "MicroVideo", "Directory", "Version", "HasExtended", "5012"):
            assert word not in text
        assert 'GCamera:BurstID="7"' in text


@pytest.mark.parametrize("packet", [
    b"<r tiff:Orientation='6'>", b"<!DOCTYPE r [<!ENTITY a 'b'>]><r tiff:Orientation='6'>&a;</r>",
    b"<r>" * 5000 + b"<x tiff:Orientation='6'/>" + b"</r>" * 5000,
])  # fmt: skip
def test_packets_that_cannot_be_taken_apart_are_still_upright(packet):
    settled = settle_xmp(packet)
    assert settled == packet.replace(b"'6'", b"'1'")


def focal(order):
    return exif_block(
        {0x0112: (3, 1)},
        {
            0xA20E: (5, (96, 36)), 0xA20F: (5, (64, 24)), 0xA210: (3, 4), 0xA002: (3, 96),
            0xA003: (3, 64), 0x920A: (5, (50, 1)),
        },
        order=order,
    )  # fmt: skip


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("scale", [2, 3])
def test_the_field_of_view_stays(order, scale):
    data, notes = upscaled(jpeg(exif_segment(focal(order))), "jpeg", scale=scale)
    assert notes == ()
    values = exif_values(carried(data).exif)
    assert values["exif", 0xA002] / values["exif", 0xA20E] == pytest.approx(36)
    assert values["exif", 0xA003] / values["exif", 0xA20F] == pytest.approx(24)


def test_both_axes_of_resolutions_change_places_with_the_pixels():
    block = exif_block(
        {0x0112: (3, 6), 0x011A: (5, (300, 1)), 0x011B: (5, (150, 1)), 0x0128: (3, 2)},
        {0xA20E: (5, (10, 1)), 0xA20F: (5, (20, 1))},
    )
    data, _ = upscaled(jpeg(exif_segment(block)), "jpeg")
    values = exif_values(carried(data).exif)
    assert (values["main", 0x011A], values["main", 0x011B]) == (150, 300)
    assert (values["exif", 0xA20E], values["exif", 0xA20F]) == (40, 20)


def subject(*numbers, order="<"):
    """A block whose subject stands in an area of 2, 3 or 4 shorts, with a maker's note."""
    block = exif_block({0x0112: (3, 6)}, {0x9214: (7, bytes(2 * len(numbers)))}, order=order)
    at = exif_values(block)["main", 0x8769] + 2
    entry = bytearray(block)
    entry[at + 2 : at + 8] = struct.pack(order + "HI", 3, len(numbers))
    data = struct.pack(f"{order}{len(numbers)}H", *numbers)
    if len(numbers) == 2:
        entry[at + 8 : at + 12] = data
    else:
        place = struct.unpack_from(order + "I", block, at + 8)[0]
        entry[place : place + len(data)] = data
    return bytes(entry), at


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("numbers", "expected"), [
    ((78, 16), (96, 156)), ((78, 16, 10), (96, 156, 20)), ((78, 16, 10, 20), (96, 156, 40, 20)),
])  # fmt: skip
def test_the_subject_s_place_turns_and_scales(numbers, expected, order):
    block, at = subject(*numbers, order=order)
    data, _ = upscaled(jpeg(exif_segment(block)), "jpeg")
    exif = carried(data).exif
    kind, count = struct.unpack_from(order + "HI", exif, at + 2)
    assert (kind, count) == (3, len(expected))
    place = at + 8 if count == 2 else struct.unpack_from(order + "I", exif, at + 8)[0]
    assert struct.unpack_from(f"{order}{count}H", exif, place) == expected


def test_where_the_camera_looked_is_not_turned():
    block = exif_block({0x0112: (3, 6)}, {}, gps={0x0011: (5, (120, 1))})
    data, _ = upscaled(jpeg(exif_segment(block)), "jpeg")
    assert exif_values(carried(data).exif)["gps", 0x0011] == 120


def dataset(number, value):
    return b"\x1c" + number.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value


def test_iptc_s_shape_and_size_are_the_new_ones_and_its_preview_is_gone():
    record = (
        dataset(0x0269, b"title") + dataset(0x0283, b"L") + dataset(0x0314, b"\0\x60")
        + dataset(0x02CA, b"preview") + dataset(0x031E, b"\0\0\0\x40")
    )  # fmt: skip
    assert fit_iptc(record, height=192, width=128) == (
        dataset(0x0269, b"title") + dataset(0x0283, b"P") + dataset(0x0314, b"\0\x80")
        + dataset(0x031E, b"\0\0\0\xc0")
    )  # fmt: skip
    for damaged in (record[:-1], b"no record", b"\x1c\2"):
        assert fit_iptc(damaged, height=1, width=1) == damaged


def path_resource(*points):
    """A path of one knot with three points, (across, down) from 0 to 1."""
    knot = struct.pack(">H", 1)
    for across, down in points:
        knot += struct.pack(">ii", round(down * 2**24), round(across * 2**24))
    return resource(0x07D0, struct.pack(">HH", 0, 1) + bytes(22) + knot)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_clipping_paths_turn_with_the_pixels(orientation):
    size = (HEIGHT, WIDTH)
    after = (WIDTH, HEIGHT) if orientation > 4 else size
    block, lost = settle_resources(
        path_resource(*[(0.8125, 0.25)] * 3), Change(size, after, orientation)
    )
    assert lost == ()
    (path,) = read_resources(block)
    down, across = (value / 2**24 for value in struct.unpack_from(">ii", path.data, 28))
    assert (across, down) == pytest.approx(SEEN[orientation])


def test_guides_turn_and_scale_and_the_resolution_is_the_new_one():
    guides = struct.pack(">IIII", 1, 576, 576, 1) + struct.pack(">IB", 24 * 32, 0)
    block = resource(0x0408, guides) + resource(
        0x03ED, struct.pack(">IHHIHH", 72 << 16, 1, 1, 72 << 16, 1, 1)
    )
    photo = jpeg(
        exif_segment(
            exif_block(
                {0x0112: (3, 6), 0x011A: (5, (300, 1)), 0x011B: (5, (300, 1)), 0x0128: (3, 2)}
            )
        ),
        segment(0xED, b"Photoshop 3.0\0" + block),
    )
    data, notes = upscaled(photo, "tiff")
    assert notes == ()
    found = {one.number: one.data for one in read_resources(carried(data).tags["main", 0x8649])}
    # A guide 24 px from the left of a picture turned to the right lies 24 px from its top.
    assert struct.unpack_from(">IB", found[0x0408], 16) == (2 * 24 * 32, 1)
    assert struct.unpack_from(">I", found[0x03ED])[0] == 300 << 16


def test_each_row_of_the_table_has_an_effect_and_each_name_stands_once():
    assert {place.kind for place in PLACES} <= set(EFFECTS)
    names = [(place.block, place.name, place.number) for place in PLACES]
    assert len(names) == len(set(names))


@pytest.mark.tools
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exiftool_reads_faces_and_the_field_of_view_as_they_are_seen(tmp_path, orientation):
    exiftool = shutil.which("exiftool")
    if exiftool is None:
        pytest.skip("needs exiftool: make test-tools")
    block = bytearray(focal("<"))
    photo, large = tmp_path / "small.jpg", tmp_path / "large.jpg"
    photo.write_bytes(jpeg(exif_segment(bytes(block))))
    region = (
        "-RegionInfo={AppliedToDimensions={W=96,H=64,Unit=pixel},RegionList=[{Area={X=.8125,Y=.25,"
        "W=.16,H=.19,Unit=normalized},Name=Anna,Type=Face}]}"
    )
    command = [exiftool, "-q", "-overwrite_original", region, f"-Orientation#={orientation}", photo]
    subprocess.run(command, check=True)
    data, notes = upscaled(photo.read_bytes(), "jpeg")
    assert notes == ()
    large.write_bytes(data)
    command = [exiftool, "-j", "-n", "-struct", "-RegionInfo", "-FOV", "-Orientation", large]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)[0]
    seen = found["RegionInfo"]["RegionList"][0]["Area"]
    assert (float(seen["X"]), float(seen["Y"])) == pytest.approx(SEEN[orientation])
    assert found["Orientation"] == 1
    if orientation < 5:
        assert found["FOV"] == pytest.approx(39.6, abs=0.1)
