"""A speech model: the shared conditioner and an adapter, built from a config and saved as safetensors (no pickle)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ttsbench import registry
from ttsbench.config.schema import ModelSize
from ttsbench.data.batching import RawBatch
from ttsbench.engine.store import content_hash, read_json, write_bytes, write_json
from ttsbench.interfaces import Adapter, FineTunedAdapter, Prompted, RefiningAdapter
from ttsbench.models.adapter_state import AdapterState
from ttsbench.nn.backbone import Backbone
from ttsbench.nn.conditioner import Conditioner
from ttsbench.types import Condition, ModelContext, Noise, Role, SampledSequence


class SpeechModel(nn.Module):
    """The shared conditioner in front of one adapter's networks."""

    def __init__(
        self,
        adapter: str,
        options: Mapping[str, Any],
        role: Role,
        size: ModelSize,
        shape: Mapping[str, int],
        sources: Mapping[str, nn.Module] | None = None,
        steps: int = 0,
    ) -> None:
        """Build the model.

        ``shape`` gives n_phones, n_speakers and channels (of the target); ``steps`` is the length of its training.
        """
        super().__init__()
        self.role: Role = role
        self.channels = shape["channels"]
        self.conditioner = Conditioner(
            role, shape["n_phones"], shape["n_speakers"], size.dim, size.encoder_layers, size.kernel
        )
        backbone = backbone_factory(size)
        self.sources = nn.ModuleDict(dict(sources or {}))
        sizes = {"n_phones": shape["n_phones"], "n_speakers": shape["n_speakers"], "steps": steps}
        context = ModelContext(role, shape["channels"], size.dim, backbone, dict(self.sources.items()), **sizes)
        self.adapter: Adapter = registry.trainable(adapter)(context, **options)
        self.groups = nn.ModuleDict(dict(self.adapter.networks()))
        self.adapter_state = AdapterState(self.adapter)
        if "generator" not in self.groups:
            raise ValueError(f"The adapter '{adapter}' has no 'generator' among its networks: {list(self.groups)}.")
        if isinstance(self.adapter, FineTunedAdapter):
            self.conditioner.load_state_dict(self._source(self.adapter.fine_tunes).conditioner.state_dict())

    def initialise_from(self, other: SpeechModel) -> None:
        """Copy the conditioner of another model, and its backbone into every backbone of the same shape.

        An adapter that fine-tunes one of its sources is left as it is.
        """
        if isinstance(self.adapter, FineTunedAdapter):
            return
        self.conditioner.load_state_dict(other.conditioner.state_dict())
        learnt = [module for module in other.groups["generator"].modules() if isinstance(module, Backbone)]
        for module in (*self.groups.modules(), *self.adapter_state.modules()):
            if isinstance(module, Backbone) and len(learnt) == 1:
                module.initialise_from(learnt[0])

    def forward(self, batch: RawBatch) -> Condition:
        """Return the condition of a batch, with those of the models that the adapter starts from."""
        condition: Condition = self.conditioner(batch)
        return replace(condition, sources=_Conditions(self.sources, batch))

    def train(self, mode: bool = True) -> SpeechModel:
        """Set training or evaluation mode; the models that the adapter starts from stay in evaluation mode."""
        super().train(mode)
        self.sources.eval()
        return self

    def group_parameters(self) -> dict[str, list[nn.Parameter]]:
        """Return optimizer group -> trainable parameters; the conditioner is in the group of the generator."""
        groups = {name: [p for p in network.parameters() if p.requires_grad] for name, network in self.groups.items()}
        groups["generator"] = [*self.conditioner.parameters(), *groups["generator"]]
        return groups

    def loss_parameters(self, name: str) -> list[nn.Parameter]:
        """Return the trainable parameters of all groups in the name of a loss, such as "generator+posterior"."""
        parameters = self.group_parameters()
        return [parameter for group in groups_of(name) for parameter in parameters[group]]

    def saved_modules(self) -> nn.ModuleDict:
        """Return the modules that sampling needs, which are saved and counted."""
        return nn.ModuleDict({"conditioner": self.conditioner, "generator": self.groups["generator"]})

    def sampling_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of everything that runs at sampling time, including a refined model."""
        own = list(self.saved_modules().parameters())
        return own + [one for source in self._refined() for one in source.sampling_parameters()]

    def parameter_count(self) -> int:
        """Return the number of parameters used at sampling time."""
        return sum(parameter.numel() for parameter in self.sampling_parameters())

    @property
    def prompted(self) -> bool:
        """True if a prompt identifies the speaker for this adapter."""
        return isinstance(self.adapter, Prompted) and self.adapter.prompted

    def generators(self) -> list[nn.Module]:
        """Return the networks whose calls count as function evaluations."""
        return [self.groups["generator"], *(one for source in self._refined() for one in source.generators())]

    def _refined(self) -> list[SpeechModel]:
        refines = self.adapter.refines if isinstance(self.adapter, RefiningAdapter) else ""
        return [self._source(refines)] if refines else []

    def _source(self, name: str) -> SpeechModel:
        source = self.sources[name]
        assert isinstance(source, SpeechModel)  # a ModuleDict does not say what it holds
        return source

    def sample_sequence(
        self, cond: Condition, nfe: int, rng: Noise, temperature: float, **sampling: Any
    ) -> SampledSequence:
        """Sample the adapter; the result has the length of the condition or its own, and is 0 at padding.

        ``sampling`` holds the adapter's own parameters of ``sample``.
        """
        drawn = self.adapter.sample(cond, nfe, rng, temperature, **sampling)
        if isinstance(drawn, Tensor):
            drawn = SampledSequence(drawn, cond.lengths, torch.ones_like(cond.lengths, dtype=torch.bool))
        real = torch.arange(drawn.values.shape[1], device=drawn.values.device) < drawn.lengths.unsqueeze(1)
        return drawn._replace(values=drawn.values * real.unsqueeze(-1))

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float, **sampling: Any) -> Tensor:
        """Return the values (B, T, C) of ``sample_sequence``."""
        return self.sample_sequence(cond, nfe, rng, temperature, **sampling).values


class _Conditions(Mapping[str, Condition]):
    """Conditions of the source models, computed on first access: sampling a student needs no teacher."""

    def __init__(self, sources: nn.ModuleDict, batch: RawBatch) -> None:
        self._sources, self._batch = sources, batch
        self._made: dict[str, Condition] = {}

    def __getitem__(self, name: str) -> Condition:
        if name not in self._made:
            with torch.no_grad():
                self._made[name] = self._sources[name](self._batch)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)


def backbone_factory(size: ModelSize) -> Callable[..., nn.Module]:
    """Return the function ``ModelContext.backbone``, which makes networks of the experiment's size."""

    def make(
        in_channels: int, out_channels: int, time: int = 0, share: float = 1.0, residual: bool = False
    ) -> Backbone:
        whole = size.backbone_layers
        layers = max(1, round(share * whole))
        return Backbone(in_channels, out_channels, size.dim, size.dim, layers, size.kernel, time, whole, residual)

    return make


def groups_of(loss: str) -> list[str]:
    """Return the optimizer groups that a loss trains: "generator+posterior" names two."""
    return loss.split("+")


def group_problem(losses: Iterable[str], groups: Collection[str]) -> str:
    """Describe what is wrong with the names of losses: an unknown group, or a group with two losses; else ""."""
    names = [group for loss in losses for group in groups_of(loss)]
    for name in names:
        if name not in groups:
            return f"a loss for '{name}', which is none of the networks ({', '.join(groups)})"
        if names.count(name) > 1:
            return f"two losses for '{name}' in one step; add them up"
    return ""


def save_model(folder: Path, weights: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Write ``weights.safetensors`` and ``model.json``, from which ``load_model`` rebuilds the model."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    write_json(folder / "model.json", description)
    write_bytes(folder / "weights.safetensors", save(tensors), durable=True)


def load_model(folder: Path, root: Path) -> SpeechModel:
    """Return a trained model, frozen and in evaluation mode; ``root`` is the run folder of its sources."""
    description = read_json(folder / "model.json")
    sources = {name: load_model(root / source, root) for name, source in description["sources"].items()}
    model = SpeechModel(
        description["adapter"],
        description["options"],
        description["role"],
        ModelSize(**description["size"]),
        description["shape"],
        sources,
    )
    model.saved_modules().load_state_dict(load_file(folder / "weights.safetensors"))
    return freeze(model)


def freeze(model: SpeechModel) -> SpeechModel:
    """Set evaluation mode and disable gradients of parameters; energy models still differentiate their input."""
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model


def utterance_seed(*parts: int | str) -> int:
    """Return a seed from (experiment seed, system, utterance, ...): the same on all machines, distinct by stream."""
    return int(content_hash(list(parts)), 16) % 2**63
