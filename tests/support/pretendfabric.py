"""Lightning Fabric as far as the trainer uses it, on the pretended device."""

from contextlib import nullcontext

from ttsbench.checks.conformance import pretend_device


class PretendFabric:
    """One device that does not exist."""

    global_rank, world_size = 0, 1

    def __init__(self, device):
        self.device = device

    def to_device(self, model):
        pretend_device.move(model)
        return model

    def autocast(self):
        return nullcontext()

    def backward(self, loss, **arguments):
        loss.backward(**arguments)
