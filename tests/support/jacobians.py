"""Log-determinants by autograd, to test invertible layers against."""

import torch

LENGTHS = [5, 2, 1]  # without padding, and an even and an odd length with padding


def perturb(module, scale=0.3, seed=0):
    """Move every parameter, so that no layer is an identity, as after training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(scale * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
    return module


def jacobian_log_det(function, x, real):
    """Log |det| of d function / dx at the elements of x (B, T, C) that are real, by autograd: (B,)."""
    log_dets = []
    for row in range(len(x)):

        def function_of_row(values, row=row):
            whole = x.clone()
            whole[row][real[row]] = values
            return function(whole)[row][real[row]]

        jacobian = torch.autograd.functional.jacobian(function_of_row, x[row][real[row]])
        log_dets.append(torch.linalg.slogdet(jacobian).logabsdet)
    return torch.stack(log_dets)
