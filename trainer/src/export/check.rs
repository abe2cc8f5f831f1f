//! What a view must be before it is written and after it is read: the same check, both ways.
//!
//! Owns the limits of a model file's graph. Knows nothing of protobuf.

use super::{ExportError, ModelPart, View};

/// A model file is one small retained message: it is fetched by every agent over slow links.
pub const BYTES_MAX: usize = 512 * 1024;
/// An autoencoder here has four; the bound keeps a damaged file from being a deep graph.
pub(super) const LAYERS_MAX: usize = 16;
/// Names of views become prefixes of every tensor.
pub(super) const NAME_BYTES_MAX: usize = 32;
/// Runtimes unfold the outer layers' weights when they load (see `graph`): 1 Mi values are 4 MiB in
/// an agent's memory; 32 inputs and 16 hidden units take 16 Ki.
pub(super) const UNFOLDED_MAX: usize = 1 << 20;

/// Says whether a view can be written and will be computed as meant.
pub(super) fn check(view: &View) -> Result<(), ExportError> {
    check_name(&view.name)?;
    check_layer_count(view)?;
    check_lengths(view)?;
    check_chain(view)?;
    check_values(view)?;
    check_unfolded(view)
}

fn check_name(view: &str) -> Result<(), ExportError> {
    let start = view.starts_with(|c: char| c.is_ascii_lowercase());
    let rest = view.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if start && rest && view.len() <= NAME_BYTES_MAX {
        return Ok(());
    }
    Err(ExportError::Name { view: view.to_owned() })
}

fn check_layer_count(view: &View) -> Result<(), ExportError> {
    // Leaving one input out unfolds the first layer and folds the last: they cannot be the same one.
    let expected_min = if view.leave_one_out { 2 } else { 1 };
    let found = view.layers.len();
    if (expected_min..=LAYERS_MAX).contains(&found) {
        return Ok(());
    }
    Err(ExportError::LayerCount { view: view.name.clone(), expected_min, found })
}

fn check_lengths(view: &View) -> Result<(), ExportError> {
    let width = view.center.len();
    let mut parts =
        vec![(ModelPart::Scale, width, view.scale.len()), (ModelPart::Tanh, view.layers.len(), view.tanh.len())];
    for (i, layer) in view.layers.iter().enumerate() {
        if layer.inputs == 0 || layer.outputs == 0 {
            return Err(ExportError::EmptyLayer { view: view.name.clone(), layer: i });
        }
        parts.push((ModelPart::Weight(i), layer.inputs.saturating_mul(layer.outputs), layer.weight.len()));
        parts.push((ModelPart::Bias(i), layer.outputs, layer.bias.len()));
    }
    match parts.into_iter().find(|(_, expected, found)| expected != found) {
        None => Ok(()),
        Some((part, expected, found)) => Err(ExportError::Length { view: view.name.clone(), part, expected, found }),
    }
}

fn check_chain(view: &View) -> Result<(), ExportError> {
    let width = view.center.len();
    let mut expected = width;
    for (i, layer) in view.layers.iter().enumerate() {
        if layer.inputs != expected {
            let (view, found) = (view.name.clone(), layer.inputs);
            return Err(ExportError::Inputs { view, layer: i, expected, found });
        }
        expected = layer.outputs;
    }
    if expected == width {
        return Ok(());
    }
    Err(ExportError::Outputs { view: view.name.clone(), expected: width, found: expected })
}

fn check_values(view: &View) -> Result<(), ExportError> {
    let layers = view.layers.iter().enumerate();
    let layers = layers.flat_map(|(i, l)| [(ModelPart::Weight(i), &l.weight), (ModelPart::Bias(i), &l.bias)]);
    let parts = [(ModelPart::Center, &view.center), (ModelPart::Scale, &view.scale)].into_iter().chain(layers);
    for (part, values) in parts {
        if let Some(index) = values.iter().position(|v| !v.is_finite()) {
            return Err(ExportError::NonFinite { view: view.name.clone(), part, index });
        }
    }
    match view.scale.iter().position(|v| *v <= 0.0) {
        None => Ok(()),
        Some(index) => {
            let value = view.scale[index];
            Err(ExportError::ScaleNotPositive { view: view.name.clone(), index, value })
        }
    }
}

fn check_unfolded(view: &View) -> Result<(), ExportError> {
    let width = view.center.len();
    let hidden = view.layers.iter().map(|l| l.outputs).max().unwrap_or(0);
    let found = width.saturating_mul(width).saturating_mul(hidden);
    if !view.leave_one_out || found <= UNFOLDED_MAX {
        return Ok(());
    }
    Err(ExportError::Unfolded { view: view.name.clone(), found })
}
