// What the figures of a report need of Vega: no maps, no trees, no forces, no words in clouds; and the interpreter of
// expressions, by which a page needs no `unsafe-eval`.
import { transforms } from "vega-dataflow";
import * as encode from "vega-encode";
import { expressionInterpreter } from "vega-interpreter";
import { parse } from "vega-parser";
import * as basic from "vega-transforms";
import { extend } from "vega-util";
import { View } from "vega-view";
import * as viewed from "vega-view-transforms";

extend(transforms, basic, viewed, encode);
export { View, expressionInterpreter, parse };
