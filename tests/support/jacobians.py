"""Log-determinants by autograd, to hold invertible layers to."""

import torch

LENGTHS = [5, 2, 1]  # whole, even and odd beside padding


def shaken(module, scale=0.3, seed=0):
    """Every parameter moved: as after training, nothing is an identity."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(scale * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    return module


def jacobian_log_det(function, x, real):
    """Log |det| of d function / dx at the elements of x (B, T, C) that are real, by autograd: (B,)."""
    found = []
    for row in range(len(x)):

        def one(values, row=row):
            whole = x.clone()
            whole[row][real[row]] = values
            return function(whole)[row][real[row]]

        jacobian = torch.autograd.functional.jacobian(one, x[row][real[row]])
        found.append(torch.linalg.slogdet(jacobian).logabsdet)
    return torch.stack(found)
