"""What the consoles of three vendors call a parameter, as far as known; names differ between software versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from myofed_schemas.protocol_quantities import Quantity


class VendorTerms(NamedTuple):
    """Names on the console; empty where we do not know one."""

    siemens: str = ""
    philips: str = ""
    ge: str = ""


VENDORS = ("Siemens", "Philips", "GE")
VENDOR_TERMS: Mapping[Quantity, VendorTerms] = {
    Quantity.SCANNING_SEQUENCE: VendorTerms("Sequence name", "Technique (SE, FFE)", "Pulse sequence"),
    Quantity.ACQUISITION_TYPE: VendorTerms("Dimension", "Scan mode (MS, 3D)", "Imaging mode (2D, 3D)"),
    Quantity.ECHO_COUNT: VendorTerms("Contrasts", "Echoes", "Number of echoes"),
    Quantity.ECHO_TIME: VendorTerms("TE", "TE", "TE"),
    Quantity.FIRST_ECHO_TIME: VendorTerms("TE[1]", "First TE", "TE"),
    Quantity.LAST_ECHO_TIME: VendorTerms("TE[last]"),
    Quantity.ECHO_SPACING: VendorTerms("TE[2] - TE[1]", "Delta TE"),
    Quantity.REPETITION_TIME: VendorTerms("TR", "TR", "TR"),
    Quantity.INVERSION_TIME: VendorTerms("TI", "IR delay", "TI"),
    Quantity.FLIP_ANGLE: VendorTerms("Flip angle", "Flip angle", "Flip angle"),
    Quantity.REFOCUSING_FLIP_ANGLE: VendorTerms(
        "Flip angle (of a spin echo)", "Refocusing angle", "Refocus flip angle"
    ),
    Quantity.IN_PLANE_RESOLUTION: VendorTerms(
        "FoV read, base resolution", "ACQ voxel size", "FOV, frequency and phase"
    ),
    Quantity.SLICE_THICKNESS: VendorTerms("Slice thickness", "Slice thickness", "Slice thickness"),
    Quantity.SLICE_SPACING: VendorTerms("Dist. factor (% of thickness)", "Slice gap (mm)", "Spacing (gap, mm)"),
    Quantity.COMPONENTS: VendorTerms("Reconstruction: magn./phase", "Images: M, P (or R, I)"),
    Quantity.PRODUCTS: VendorTerms(
        "Dixon: water, fat, in-, opp.-phase", "mDIXON: W, F, IP, OP", "Water, Fat, InPhase, OutPhase"
    ),
}
"""Quantities that follow from others (phase, bias) have no name on a console."""
