"""The authors' published files, and the names of their tensors here."""

from pipeline.weights.key_maps import LEFT_OUT, KeyMap, lora_keys, perceiver_keys

# The authors' published files (uniportrait_pipeline.py, load_uniportrait_and_ip_adapter): the attention layers of both
# are numbered. The router's file names the second low-rank set like the first one; what else it may hold their code
# takes from the other file, or, as the branch of the image prompt, from IP-Adapter's: people need none of that.
RELEASED = (
    KeyMap(
        "uniportrait-router_sd15.bin",
        r"^faceid_adapter\.\d+\.to_q_router\.",
        {
            **lora_keys("faceid_adapter.{site}.to_{part}_lora", "layers.{site}.multi"),
            "faceid_adapter.{site}.to_q_router.{rest}": "layers.{site}.branch.router.query.{rest}",
            "faceid_adapter.{site}.to_k_router.{rest}": "layers.{site}.branch.router.key.{rest}",
            "faceid_adapter.{site}.aggr_router.{rest}": "layers.{site}.branch.router.aggregate.{rest}",
            "faceid_adapter.{site}.to_k_faceid.weight": LEFT_OUT,
            "faceid_adapter.{site}.to_v_faceid.weight": LEFT_OUT,
            "faceid_adapter.{site}.to_k_ip.weight": LEFT_OUT,
            "faceid_adapter.{site}.to_v_ip.weight": LEFT_OUT,
            "faceid_proj.{rest}": LEFT_OUT,
        },
    ),
    KeyMap(
        "uniportrait-faceid_sd15.bin",
        r"^faceid_proj\.",
        {
            "faceid_proj.latents": "identity.queries",
            "faceid_proj.proj_id.{rest}": "identity.intrinsic.mlp.{rest}",
            "faceid_proj.proj_clip.{rest}": "identity.structure.mlp.{rest}",
            **perceiver_keys("faceid_proj.layers.{n}.0", "identity.layers.{n}.intrinsic"),
            **perceiver_keys("faceid_proj.layers.{n}.1", "identity.layers.{n}.structure"),
            "faceid_proj.layers.{n}.2.{rest}": "identity.layers.{n}.ffn.{rest}",
            "faceid_proj.proj_out.{rest}": "identity.out.0.{rest}",
            "faceid_proj.norm_out.{rest}": "identity.out.1.{rest}",
            **lora_keys("faceid_adapter.{site}.to_{part}_lora", "layers.{site}.single"),
            "faceid_adapter.{site}.to_k_faceid.weight": "layers.{site}.branch.key.weight",
            "faceid_adapter.{site}.to_v_faceid.weight": "layers.{site}.branch.value.weight",
            "faceid_adapter.{site}.to_k_ip.weight": LEFT_OUT,
            "faceid_adapter.{site}.to_v_ip.weight": LEFT_OUT,
        },
    ),
)
