export type { Container, ContainerSpec, Driver, DriverCapabilities, ExitResult } from './driver.js';
