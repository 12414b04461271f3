"""Published networks that are not supported, recognised by weight names for error messages.

The names are those of the networks' own releases. Some share layers, and so names, with supported
networks: this table is searched first.
"""

from __future__ import annotations

from collections.abc import Container

# A network, and weight names that no other network has together.
_TELLTALE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("HAT", ("layers.0.residual_group.overlap_attn.qkv.weight",)),
    ("Swin2SR", ("layers.0.residual_group.blocks.0.attn.logit_scale",)),
    ("SRFormer", ("layers.0.residual_group.blocks.0.attn.aligned_relative_position_index",)),
    ("ATD", ("layers.0.residual_group.layers.0.attn_atd.wq.weight",)),
    ("CRAFT", ("layers.0.residual_group.hf_blocks.0.attn.temperature",)),
    ("DAT", ("layers.0.blocks.0.ffn.sg.norm.weight", "layers.0.blocks.0.attn.qkv.weight")),
    ("RGT", ("layers.0.blocks.0.gamma", "layers.0.blocks.0.attn.qkv.weight")),
    ("GRL", ("layers.0.blocks.0.attn.window_attn.attn_transform.logit_scale",)),
    ("DRCT", ("layers.0.swin1.attn.qkv.weight", "layers.0.adjust1.weight")),
    ("OmniSR", ("residual_layer.0.residual_layer.0.layer.0.fn.0.weight",)),
    ("RealPLKSR", ("feats.1.lk.conv.weight", "feats.1.norm.weight")),
    ("PLKSR", ("feats.1.lk.conv.weight",)),
    ("PLKSR", ("feats.1.lk.convs.0.weight",)),
    ("PLKSR", ("feats.1.lk.mn_conv.weight",)),
    ("SAFMN", ("feats.0.safm.mfr.0.weight",)),
    ("SAFMN for compressed pictures (BCIE)", ("feats.0.layers.0.safm.mfr.0.weight",)),
    ("MoSR", ("gblocks.1.fc1.weight", "gblocks.1.fc2.weight")),
    ("MoESR", ("in_to_dim.weight", "blocks.0.blocks.0.gamma")),
    ("FDAT", ("groups.0.blocks.0.attn.bias", "groups.0.blocks.0.inter.cg.1.weight")),
    ("SeemoRe", ("body.0.local_block.block.agg_conv.0.weight",)),
    ("DITN", ("UFONE.0.ITLs.0.attn.temperature",)),
    ("DCTLSA", ("B1.body.0.transformer_body.0.blocks.0.attn.qkv.weight",)),
    ("RFDN", ("B1.c1_d.weight", "B1.esa.conv1.weight")),
    ("RLFN", ("block_1.c1_r.weight", "block_1.esa.conv1.weight")),
    ("IMDN", ("IMDB1.c1.weight",)),
    ("Swift-SRGAN", ("initial.cnn.depthwise.weight",)),
    ("MM-RealSR", ("de_net.conv_first.0.weight", "am_list.0.fc.0.weight")),
    ("Real-CUGAN or waifu2x's CUNet", ("unet1.conv1.conv.0.weight", "unet2.conv_bottom.weight")),
    ("IPT", ("head.0.0.weight", "body.encoder.layers.0.linear1.weight")),
    ("AuraSR", ("mid_attn.layers.0.0.to_out.weight",)),
    ("SCUNet", ("m_head.0.weight", "m_tail.0.weight")),
    ("FBCNN", ("m_head.weight", "qf_pred.0.res.0.weight")),
    ("DRUNet", ("m_head.weight", "m_tail.weight")),
    ("KBNet", ("intro.weight", "middle_blks.0.w", "ending.weight")),
    ("KBNet", ("patch_embed.proj.weight", "refinement.0.attn.dwconv.0.weight")),
    ("NAFNet", ("intro.weight", "middle_blks.0.beta", "ending.weight")),
    ("Restormer", ("patch_embed.proj.weight", "encoder_level1.0.attn.temperature")),
    ("FFTformer", ("patch_embed.proj.weight", "encoder_level1.0.ffn.fft")),
    ("Uformer", ("encoderlayer_0.blocks.0.norm1.weight",)),
    ("GFPGAN", ("stylegan_decoder.style_mlp.1.weight",)),
    ("CodeFormer", ("quantize.embedding.weight", "position_emb")),
    ("RestoreFormer", ("quantize.embedding.weight", "encoder.conv_in.weight")),
    ("LaMa", ("model.1.bn_l.running_mean",)),
    ("BasicVSR", ("spynet.basic_module.0.basic_module.0.weight",)),
    ("EDVR", ("pcd_align.offset_conv1.l3.weight",)),
    ("Stable Diffusion", ("model.diffusion_model.input_blocks.0.0.weight",)),
    ("Real-ESRGAN's discriminator", ("conv1.weight_orig", "conv9.weight")),
    ("ESRGAN's discriminator", ("conv0_0.weight", "linear1.weight")),
)


def network_elsewhere(names: Container[str]) -> str | None:
    """Return the unsupported network that has weights of these names; None if it is not listed."""
    for network, telltale in _TELLTALE:
        if all(name in names for name in telltale):
            return network
    return None
