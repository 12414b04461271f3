"""Architecture catalogue: one explicit table of the names in cards and recipes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from superres.errors import ModelError, first_fault, unknown_name
from superres.layers.config import NetworkConfig
from superres.networks.autoencoder import AutoencoderConfig
from superres.networks.burst_recurrent import BurstRecurrentConfig
from superres.networks.compact import CompactConfig
from superres.networks.convlstm_net import ConvlstmConfig
from superres.networks.drcn import DrcnConfig
from superres.networks.drrn import DrrnConfig
from superres.networks.edsr import EdsrConfig
from superres.networks.espcn import EspcnConfig
from superres.networks.fsrcnn import FsrcnnConfig
from superres.networks.gated import GatedConfig
from superres.networks.highres_net import HighresNetConfig
from superres.networks.lapsrn import LapsrnConfig
from superres.networks.lean import LeanConfig
from superres.networks.msrresnet import MsrresnetConfig
from superres.networks.rcan import RcanConfig
from superres.networks.rrdb import RrdbConfig
from superres.networks.smfanet import SmfanetConfig
from superres.networks.span import SpanConfig
from superres.networks.srcnn import SrcnnConfig
from superres.networks.srdensenet import SrdensenetConfig
from superres.networks.srresnet import SrresnetConfig
from superres.networks.swinir import SwinirConfig
from superres.networks.unet import UnetConfig
from superres.networks.vdsr import VdsrConfig
from superres.networks.video_recurrent import VideoRecurrentConfig


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network family: its config type and its paper."""

    config: type[NetworkConfig]
    source: str


ARCHITECTURES: dict[str, Architecture] = {
    "lean": Architecture(LeanConfig, "this project's default"),
    "gated": Architecture(GatedConfig, "this project, after Wan et al. 2024, arXiv:2311.12770"),
    "srcnn": Architecture(SrcnnConfig, "Dong et al. 2016, arXiv:1501.00092"),
    "fsrcnn": Architecture(FsrcnnConfig, "Dong et al. 2016, arXiv:1608.00367"),
    "espcn": Architecture(EspcnConfig, "Shi et al. 2016, arXiv:1609.05158"),
    "edsr": Architecture(EdsrConfig, "Lim et al. 2017, arXiv:1707.02921"),
    "autoencoder": Architecture(AutoencoderConfig, "Masci et al. 2011, for teaching"),
    "convlstm": Architecture(ConvlstmConfig, "Shi et al. 2015, arXiv:1506.04214, for teaching"),
    "unet": Architecture(UnetConfig, "Ronneberger et al. 2015, arXiv:1505.04597, for teaching"),
    "vdsr": Architecture(VdsrConfig, "Kim et al. 2016, arXiv:1511.04587"),
    "drcn": Architecture(DrcnConfig, "Kim et al. 2016, arXiv:1511.04491"),
    "drrn": Architecture(DrrnConfig, "Tai et al. 2017, CVPR"),
    "srdensenet": Architecture(SrdensenetConfig, "Tong et al. 2017, ICCV"),
    "lapsrn": Architecture(LapsrnConfig, "Lai et al. 2017, arXiv:1704.03915"),
    "srresnet": Architecture(SrresnetConfig, "Ledig et al. 2017, arXiv:1609.04802"),
    "msrresnet": Architecture(MsrresnetConfig, "Wang et al. 2018, arXiv:1809.00219"),
    "rrdb": Architecture(RrdbConfig, "Wang et al. 2018, arXiv:1809.00219, arXiv:2107.10833"),
    "compact": Architecture(CompactConfig, "Wang et al. 2021, arXiv:2107.10833"),
    "rcan": Architecture(RcanConfig, "Zhang et al. 2018, arXiv:1807.02758"),
    "swinir": Architecture(SwinirConfig, "Liang et al. 2021, arXiv:2108.10257"),
    "span": Architecture(SpanConfig, "Wan et al. 2024, arXiv:2311.12770"),
    "smfanet": Architecture(SmfanetConfig, "Zheng et al. 2024, ECCV"),
    "burst_recurrent": Architecture(BurstRecurrentConfig, "after Wu et al. 2023, arXiv:2306.17595"),
    "highres_net": Architecture(HighresNetConfig, "Deudon et al. 2020, arXiv:2002.06460"),
    "video_recurrent": Architecture(VideoRecurrentConfig, "after Sajjadi et al. 2018, CVPR"),
}


def network_config(architecture: str, values: Mapping[str, object]) -> NetworkConfig:
    """Check the values of a config against its architecture.

    Raises:
        UnknownNameError: There is no such architecture, or it has no field of that name.
        ModelError: A value is of the wrong type or out of range.
    """
    if architecture not in ARCHITECTURES:
        raise unknown_name("architecture", architecture, ARCHITECTURES)
    config_type = ARCHITECTURES[architecture].config
    for key in values:
        if key not in config_type.model_fields:
            raise unknown_name(f"setting of {architecture}", key, config_type.model_fields)
    try:
        return config_type.model_validate_json(json.dumps(dict(values)))
    except ValidationError as error:
        raise ModelError(
            f"{architecture} cannot be built: {first_fault(error)}",
            f"fields of {architecture}: {', '.join(config_type.model_fields)}",
        ) from error
